import Access
import CoreLoop
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/kpis` and `/api/v1/health`: how well it goes, and what ran when.
struct IndicatorsAPI {
    /// What is asked for when no time is.
    private static let standardPeriod = Milliseconds.days(Int64(28))
    /// The longest period one answer covers: what is walked for it stays bounded.
    private static let longestPeriod = Milliseconds.days(Int64(400))

    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1")
        group.get("/kpis") { request, context in try await kpis(request, context) }
        group.get("/health") { request, _ in try await health(request) }
    }

    // MARK: Indicators

    private func kpis(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["metric", "from", "to"])
        let to = try query.time("to") ?? services.clock()
        let from = try query.time("from") ?? to - IndicatorsAPI.standardPeriod
        guard from < to, to - from <= IndicatorsAPI.longestPeriod else {
            throw query.invalid("from", "before 'to', by at most 400 days")
        }
        switch query["metric"] {
        case "precision": return try await precision()
        case "utilisation": return try await utilisation(from, to, context)
        case let name:
            guard let indicator = name.flatMap(Indicator.init(rawValue:)) else {
                throw query.invalid(
                    "metric",
                    "one of: precision, utilisation, \(names(Indicator.self))"
                )
            }
            let rows = try await services.reads.indicator(
                indicator,
                from: from,
                to: to,
                stations: context.caller.stations
            )
            return try jsonResponse(
                ListDTO(items: rows.map { IndicatorDTO($0) }, nextCursor: nil)
            )
        }
    }

    private struct IndicatorDTO: Encodable {
        var station: String
        var count: Int
        var share: Double?
        var median: Double?
        var p90: Double?

        init(_ row: IndicatorRow) {
            station = row.stationCode
            count = row.count
            share = row.share
            median = row.median
            p90 = row.ninth
        }
    }

    private struct PrecisionDTO: Encodable {
        var rule: String
        /// Hidden while fewer than ten alerts are judged.
        var precision: Double?
        var low: Double?
        var high: Double?
        var coverage: Double?
        var judged: Int
        var serviced: Int
    }

    private func precision() async throws -> Response {
        let rows = try await services.reads.precision()
        return try jsonResponse(
            ListDTO(
                items: rows.map { row in
                    let share = row.precision.share
                    return PrecisionDTO(
                        rule: row.rule,
                        precision: share?.value,
                        low: share?.low,
                        high: share?.high,
                        coverage: row.precision.coverage,
                        judged: row.precision.right + row.precision.wrong,
                        serviced: row.precision.serviced
                    )
                },
                nextCursor: nil
            )
        )
    }

    private struct UtilisationDTO: Encodable {
        var station: String
        var openMinutes: Double
        var bookedMinutes: Double
        var heldMinutes: Double
        var share: Double?

        enum CodingKeys: String, CodingKey {
            case station, share
            case openMinutes = "open_minutes"
            case bookedMinutes = "booked_minutes"
            case heldMinutes = "held_minutes"
        }
    }

    /// Booked bay minutes of those in which the station is open.
    private func utilisation(
        _ from: Timestamp,
        _ to: Timestamp,
        _ context: WebContext
    ) async throws -> Response {
        let taken = try await services.reads.takenMinutes(
            from: from,
            to: to,
            stations: context.caller.stations
        )
        let items = services.stations.filter { context.caller.sees(station: $0.code) }
            .map { station in
                let open = station.openMinutes(from: from, to: to) * Double(station.bays.count)
                let minutes = taken[station.code] ?? (0, 0)
                return UtilisationDTO(
                    station: station.code,
                    openMinutes: open,
                    bookedMinutes: minutes.booked,
                    heldMinutes: minutes.held,
                    share: open > 0 ? minutes.booked / open : nil
                )
            }
        return try jsonResponse(ListDTO(items: items, nextCursor: nil))
    }

    // MARK: Health

    private struct HealthDTO: Encodable {
        struct Job: Encodable {
            var job: String
            /// Missing until it has run since the start.
            var lastRun: String?

            enum CodingKeys: String, CodingKey {
                case job
                case lastRun = "last_run"
            }
        }

        struct Warning: Encodable {
            var code: String
            var detail: String
        }

        struct Ignored: Encodable {
            var source: String
            var topic: String
            var count: Int
            var inherited: Int
            var lastAt: String
            var sample: String

            enum CodingKeys: String, CodingKey {
                case source, topic, count, inherited, sample
                case lastAt = "last_at"
            }

            init(_ topic: IgnoredTopics.Topic) {
                source = topic.source
                self.topic = topic.topic
                count = topic.count
                inherited = topic.inherited
                lastAt = "\(topic.lastAt)"
                sample = String(decoding: topic.sample, as: UTF8.self)
            }
        }

        var now: String
        var jobs: [Job]
        var warnings: [Warning]
        var ignored: [Ignored]
    }

    private func health(_ request: Request) async throws -> Response {
        _ = try Query(request, known: [])
        guard let runs = await services.core.ask({ $0.lastRuns }) else {
            throw APIProblem(Problem(.overloaded))
        }
        let status = services.core.status
        var jobs = runs.map { HealthDTO.Job(job: $0.job, lastRun: $0.at.map { "\($0)" }) }
        jobs.append(
            HealthDTO.Job(job: "retention", lastRun: status.retentionAt.map { "\($0)" })
        )
        jobs.append(
            HealthDTO.Job(job: "messages", lastRun: services.deskRun.time.map { "\($0)" })
        )
        var warnings: [HealthDTO.Warning] = []
        func warn(_ code: String, _ detail: String?) {
            if let detail { warnings.append(HealthDTO.Warning(code: code, detail: detail)) }
        }
        warn("store", status.storeError)
        warn("retention", status.retentionError)
        let feed = services.feed()
        warn("broker", feed.isConnected ? nil : feed.lastError ?? "connecting")
        if status.damagedRows > 0 {
            warn("damage", "\(status.damagedRows) damaged rows of readings were set aside")
        }
        for station in services.stations {
            guard let year = station.missingHolidayYear(now: services.clock()) else { continue }
            warn("holidays", "\(station.code): holidays.yaml has no holidays of \(year)")
        }
        return try jsonResponse(
            HealthDTO(
                now: "\(services.clock())",
                jobs: jobs,
                warnings: warnings,
                ignored: status.ignored.mostFrequent.map(HealthDTO.Ignored.init)
            )
        )
    }
}
