import Access
import CoreLoop
import Decoding
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1`: closures and absences, complaints, steps on alerts.
struct WorkshopAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1")
        group.get("/closures") { request, context in try await closures(request, context) }
        group.post("/closures") { request, context in try await close(request, context) }
        group.delete("/closures/:id") { request, context in
            _ = try Query(request, known: [])
            let id = ClosureID(rawValue: try id(context))
            let row = try await services.reads.closure(id.rawValue)
            try context.require(station: row?.stationCode)
            return try await submit(.reopen(id, by: context.actor))
        }
        group.get("/complaints") { request, context in
            try await complaints(request, context)
        }
        group.post("/complaints/:id/resolve") { request, context in
            try await resolve(request, context)
        }
        group.post("/alerts/:id/mute") { request, context in try await mute(request, context) }
        group.post("/alerts/:id/unmute") { request, context in
            try await submit(.alert(try await alert(request, context), .unmute, by: context.actor))
        }
        group.post("/alerts/:id/data_fault") { request, context in
            try await dataFault(request, context)
        }
    }

    /// The alert a path names, where the caller may know of it.
    private func alert(_ request: Request, _ context: WebContext) async throws -> AlertID {
        _ = try Query(request, known: [])
        let alert = AlertID(rawValue: try id(context))
        try context.require(station: await services.core.ask { $0.stationCode(of: alert) } ?? nil)
        return alert
    }

    private struct AnswerDTO: Encodable {
        var id: Int64
        /// Visits that cannot be kept as they stand.
        var impossible: [Int64]?
    }

    private func submit(
        _ command: Command,
        status: HTTPResponse.Status = .ok
    ) async throws -> Response {
        switch await services.core.submit(command) {
        case .success(.closure(let id, let impossible)):
            return try jsonResponse(
                AnswerDTO(id: id.rawValue, impossible: impossible.map(\.rawValue)),
                status: status
            )
        case .success(.alert(let id)): return try jsonResponse(AnswerDTO(id: id.rawValue))
        case .success(.complaint(let id)): return try jsonResponse(AnswerDTO(id: id.rawValue))
        case .success: throw APIProblem(Problem(.notFound))
        case .failure(let problem): throw APIProblem(problem)
        }
    }

    // MARK: Closures

    private func closures(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["limit"])
        let rows = try await services.reads.closures(
            stations: context.caller.stations,
            limit: try query.limit()
        )
        return try jsonResponse(
            ListDTO(
                items: rows.map(ClosureDTO.init),
                nextCursor: nil
            )
        )
    }

    private struct CloseBody: Decodable {
        var station: String
        var bay: String?
        var technician: String?
        /// Left out: from now to the end of the working day, as when somebody calls in sick.
        var start: String?
        var end: String?
        var reason: String?
    }

    private func close(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let body = try await decode(CloseBody.self, request, whenEmpty: nil)
        try context.require(station: body.station)
        guard let station = services.stations.first(where: { $0.code == body.station }) else {
            throw APIProblem(Problem(.unknownName))
        }
        let start = try time(body.start, "start") ?? services.clock()
        let end = try time(body.end, "end") ?? station.closing(ofOpenDay: 1, from: start)
        let command = Command.close(
            station: station.code,
            try scope(body, station),
            OpenInterval(start: start, end: end),
            reason: noteText(body.reason),
            by: context.actor
        )
        return try await submit(command, status: .created)
    }

    private func scope(_ body: CloseBody, _ station: Station) throws -> Closure.Scope {
        switch (body.bay, body.technician) {
        case (nil, nil): return .station
        case (let bay?, nil):
            if let place = station.bays.firstIndex(where: { $0.code == bay }) {
                return .bay(place)
            }
        case (nil, let technician?):
            if let place = station.technicians.firstIndex(where: { $0.code == technician }) {
                return .technician(place)
            }
        case (.some, .some): throw invalid("body", "one of bay and technician, or neither")
        }
        throw APIProblem(Problem(.unknownName))
    }

    // MARK: Complaints

    private struct ComplaintDTO: Encodable {
        var id: Int64
        var vehicle: String
        var suggestion: Int64?
        var appointment: Int64?
        var text: String
        var openedAt: String
        var openedBy: String
        var handledAt: String?
        var handledBy: String?
        var resolution: String

        enum CodingKeys: String, CodingKey {
            case id, vehicle, suggestion, appointment, text, resolution
            case openedAt = "opened_at"
            case openedBy = "opened_by"
            case handledAt = "handled_at"
            case handledBy = "handled_by"
        }
    }

    private func complaints(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["limit"])
        let rows = try await services.reads.complaints(
            limit: try query.limit(),
            stations: context.caller.stations,
            standardStation: services.stations[0].code
        )
        return try jsonResponse(
            ListDTO(
                items: rows.map { row in
                    ComplaintDTO(
                        id: row.complaint.id.rawValue,
                        vehicle: row.vehicle,
                        suggestion: row.complaint.suggestion?.rawValue,
                        appointment: row.complaint.appointment?.rawValue,
                        text: row.complaint.text,
                        openedAt: "\(row.complaint.openedAt)",
                        openedBy: row.complaint.openedBy,
                        handledAt: row.complaint.handledAt.map { "\($0)" },
                        handledBy: row.complaint.handledBy,
                        resolution: row.complaint.resolution
                    )
                },
                nextCursor: nil
            )
        )
    }

    private struct ResolveBody: Decodable {
        var resolution: String
    }

    private func resolve(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let body = try await decode(ResolveBody.self, request, whenEmpty: nil)
        let resolution = noteText(body.resolution)
        guard !resolution.isEmpty else { throw invalid("resolution", "said in words") }
        let id = ComplaintID(rawValue: try id(context))
        try context.require(station: await services.core.ask { $0.stationCode(of: id) } ?? nil)
        return try await submit(.resolve(id, resolution: resolution, by: context.actor))
    }

    // MARK: Alerts

    private struct MuteBody: Decodable {
        var until: String
        var reason: String
    }

    private func mute(_ request: Request, _ context: WebContext) async throws -> Response {
        let body = try await decode(MuteBody.self, request, whenEmpty: nil)
        let until: MuteEnd
        switch body.until {
        case "worse": until = .worse
        case "next_visit": until = .nextVisit
        case let text:
            guard let time = try time(text, "until") else {
                throw invalid("until", "a time, next_visit or worse")
            }
            until = .time(time)
        }
        let reason = noteText(body.reason)
        guard !reason.isEmpty else { throw invalid("reason", "said in words") }
        return try await submit(
            .alert(
                try await alert(request, context),
                .mute(until: until, reason: reason),
                by: context.actor
            )
        )
    }

    private struct ReasonBody: Decodable {
        var reason: String
    }

    private func dataFault(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(ReasonBody.self, request, whenEmpty: nil)
        return try await submit(
            .alert(
                try await alert(request, context),
                .dataFault(reason: noteText(body.reason)),
                by: context.actor
            )
        )
    }
}

struct ClosureDTO: Encodable {
    var id: Int64
    var station: String
    var scope: String
    var place: String?
    var start: String
    var end: String
    var reason: String

    init(_ row: ClosureRecord) {
        id = row.id
        station = row.stationCode
        scope = row.scope
        place = row.placeCode
        start = "\(row.start)"
        end = "\(row.end)"
        reason = row.reason
    }
}
