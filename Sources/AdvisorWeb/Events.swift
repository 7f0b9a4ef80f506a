import CoreLoop
import HTTPTypes
import Hummingbird
import Messages
import ServiceLifecycle
import Telemetry
import Workshop

/// `/events`: server-sent changes.
///
/// A page learns that something changed and asks again itself.
struct Events {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        router.get("/events") { request, _ in
            _ = try Query(request, known: [])
            guard let changes = services.core.changes.subscribe() else {
                throw APIProblem(
                    .serviceUnavailable,
                    code: "overloaded",
                    detail: "Too many pages listen."
                )
            }
            return Response(
                status: .ok,
                headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
                body: ResponseBody { writer in
                    for await revision in changes.cancelOnGracefulShutdown() {
                        let news = StatusLine(services)
                        try await writer.write(
                            ByteBuffer(
                                string: "data: {\"revision\":\(revision),"
                                    + "\"zh\":\"\(news.text(.zh))\","
                                    + "\"en\":\"\(news.text(.en))\"}\n\n"
                            )
                        )
                    }
                    try await writer.finish(nil)
                }
            )
        }
    }
}

/// One line at the top of every page: the core's time, and that it is alive.
struct StatusLine {
    private let status: CoreStatus
    private let feed: FeedHealth
    private let time: (Language) -> LocalTime
    private let missingHolidays: (station: String, year: Int)?

    init(_ services: WebServices) {
        status = services.core.status
        feed = services.feed()
        let zone = services.stations[0].zone
        time = { LocalTime(zone: zone, language: $0.reader) }
        let now = status.now
        missingHolidays =
            services.stations.lazy.compactMap { station in
                station.missingHolidayYear(now: now).map { (station.code, $0) }
            }.first
    }

    /// Plain text without quotes, safe inside JSON.
    func text(_ language: Language) -> String {
        let moment = time(language).moment(status.now)
        return language.pick(
            zh:
                "\(moment) · \(status.vehicles)辆车 · 已存\(status.stored)个读数 · \(status.liveAlerts)个预警",
            en: "\(moment) · \(status.vehicles) vehicles · \(status.stored) readings stored · "
                + "\(status.liveAlerts) alerts"
        )
    }

    func problem(_ language: Language) -> String? {
        if let error = status.storeError {
            return language.pick(
                zh: "数据库无法写入,已暂停接收:\(error)",
                en: "The store cannot write, so nothing is taken in: \(error)"
            )
        }
        if feed.isConnected {
            guard let lostAt = feed.sessionLostAt, status.now - lostAt < .days(Int64(1)) else {
                return missingHolidays.map {
                    language.pick(
                        zh: "\($0.station):\($0.year)年的节假日尚未录入,预约可能落在休息日。",
                        en: "\($0.station): nobody has entered the holidays of \($0.year); "
                            + "visits may fall on a day off."
                    )
                }
            }
            return language.pick(
                zh: "消息服务器丢失了会话,\(lostAt) 前后可能缺少数据。",
                en: "The broker lost our session: readings from before \(lostAt) may be missing."
            )
        }
        return language.pick(
            zh: "与消息服务器的连接中断,预测可能过时。",
            en: "There is no connection to the broker: predictions may be out of date."
        )
    }
}
