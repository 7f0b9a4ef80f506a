import Access
import Crypto
import Customers
import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Messages
import Store
import Telemetry
import Workshop

/// `/ical/{token}/{station}.ics`: a station's visits for a calendar program (RFC 5545).
///
/// Such programs cannot send a header, so the token stands in the path; it is an ordinary token
/// with the right to see, and is revoked as one. They ask every few hours: a convenience, no more.
struct CalendarFeed {
    let services: WebServices

    /// A cancelled visit stays for as long, so that calendars take it out.
    private static let past = Milliseconds.days(Int64(30))
    /// What is booked farther ahead is of no interest in a diary.
    private static let ahead = Milliseconds.days(Int64(Limits.slotSearchDaysMax))

    func addRoutes(to router: Router<WebContext>) {
        router.get("/ical/:token/:calendar") { request, context in
            try await calendar(request, context)
        }
    }

    private func calendar(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let suffix = ".ics"
        guard let secret = context.parameters.get("token"),
            let file = context.parameters.get("calendar"), file.hasSuffix(suffix),
            let caller = try await services.desk.caller(
                ofToken: secret,
                at: services.wallClock()
            ),
            caller.can(.see), caller.sees(station: String(file.dropLast(suffix.count))),
            let station = services.stations.first(where: { "\($0.code)\(suffix)" == file })
        else { throw APIProblem(Problem(.notFound)) }
        let text = text(try await visits(of: station), station)
        let digest = Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString()
        let tag = "\"\(digest.prefix(22))\""
        var headers: HTTPFields = [.eTag: tag, .cacheControl: "private, no-cache"]
        guard request.headers[.ifNoneMatch] != tag else {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = "text/calendar; charset=utf-8"
        return Response(
            status: .ok,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    private func visits(of station: Station) async throws -> [AppointmentRecord] {
        let now = services.clock()
        var filter = AppointmentFilter()
        filter.station = station.code
        filter.from = now - CalendarFeed.past
        filter.to = now + CalendarFeed.ahead
        return try await services.reads.appointments(
            filter,
            after: nil,
            limit: Limits.feedVisitsMax
        )
    }

    // MARK: RFC 5545

    private func text(_ visits: [AppointmentRecord], _ station: Station) -> String {
        var lines = [
            "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//telematics gateway//visits//EN",
            "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
            "X-WR-CALNAME:\(CalendarFeed.escaped(station.titleZH))",
            "X-WR-TIMEZONE:\(station.zone.name)", "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
            "X-PUBLISHED-TTL:PT15M",
        ]
        for visit in visits { lines += event(visit, station) }
        lines.append("END:VCALENDAR")
        return lines.map(CalendarFeed.folded).joined()
    }

    /// What is to be done, on which car, masked; no name, no number.
    private func event(_ visit: AppointmentRecord, _ station: Station) -> [String] {
        let jobs = visit.need.jobs.map { code in
            services.jobs.first { $0.code == code }?.titleZH ?? code
        }
        let car = visit.plate.map(Masking.plate) ?? visit.vehicle
        let summary = (jobs + [car]).joined(separator: " · ")
        return [
            "BEGIN:VEVENT", "UID:appointment-\(visit.id)@gateway",
            "SEQUENCE:\(visit.version)", "DTSTAMP:\(CalendarFeed.time(visit.updatedAt))",
            "DTSTART:\(CalendarFeed.time(visit.slot.start))",
            "DTEND:\(CalendarFeed.time(visit.slot.end))",
            "SUMMARY:\(CalendarFeed.escaped(summary))",
            "LOCATION:\(CalendarFeed.escaped("\(station.titleZH) \(visit.slot.bayCode)"))",
            "STATUS:\(visit.state == .cancelled ? "CANCELLED" : "CONFIRMED")", "END:VEVENT",
        ]
    }

    /// UTC, `20261121T101500Z`.
    private static func time(_ instant: Timestamp) -> String {
        String("\(instant)".prefix(19)).filter { $0 != "-" && $0 != ":" } + "Z"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "\\", ";", ",": escaped += "\\\(character)"
            case "\n", "\r\n": escaped += "\\n"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    /// Lines of 75 octets at most, ended by CRLF; a character is never cut (§3.1).
    private static func folded(_ line: String) -> String {
        var folded = ""
        var octets = 0
        for character in line {
            if octets + character.utf8.count > 75 {
                folded += "\r\n "
                octets = 1
            }
            folded.append(character)
            octets += character.utf8.count
        }
        return folded + "\r\n"
    }
}
