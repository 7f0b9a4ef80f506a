import Access
import CoreLoop
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/holds`: slots that somebody keeps free while they speak with a customer.
struct HoldsAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/holds")
        group.get("") { request, context in try await list(request, context) }
        group.post("") { request, context in try await take(request, context) }
        group.patch("/:id") { request, context in
            try await submit(.lengthen(try await own(request, context)), context)
        }
        group.delete("/:id") { request, context in
            let id = try await own(request, context)
            if case .failure(let problem) = await services.core.submit(
                .hold(.giveUp(id), by: context.actor)
            ) {
                throw APIProblem(problem)
            }
            return Response(status: .noContent)
        }
    }

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let rows = try await services.reads.holds(stations: context.caller.stations)
        return try jsonResponse(ListDTO(items: rows.map(HoldDTO.init), nextCursor: nil))
    }

    private struct HoldBody: Decodable {
        var start: String
        /// May be left out with a suggestion, whose station it is then.
        var station: String?
        var minutes: Int?
        var jobs: [String]?
        var suggestion: Int64?
        var bay: String?
        var technician: String?
    }

    private func take(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let body = try await decode(HoldBody.self, request, whenEmpty: nil)
        guard let start = try time(body.start, "start") else { throw invalid("start", "a time") }
        let minutes = body.minutes ?? 0
        guard (0...Limits.deskHoldMinutesMax).contains(minutes) else {
            throw invalid("minutes", "in 0…\(Limits.deskHoldMinutesMax)")
        }
        var station = body.station
        if let suggestion = body.suggestion {
            let row = try await SuggestionsAPI(services: services).row(suggestion, context)
            station = station ?? row.stationCode
        }
        guard let station else { throw invalid("station", "the code of a station") }
        try context.require(station: station)
        let step = HoldStep.take(
            HoldRequest(
                station: station,
                start: start,
                minutes: minutes,
                jobs: body.jobs ?? [],
                suggestion: body.suggestion.map(SuggestionID.init(rawValue:)),
                bay: body.bay,
                technician: body.technician
            )
        )
        do {
            return try await submit(step, context, status: .created)
        } catch var problem as APIProblem {
            if problem.code == ProblemCode.slotTaken.rawValue, let suggestion = body.suggestion {
                let id = SuggestionID(rawValue: suggestion)
                let place = services.stations.firstIndex { $0.code == station } ?? 0
                let offers = await services.core.ask { $0.offers(for: id, at: place) } ?? nil
                problem.slots = offers?.map { SlotDTO($0, services.stations[place]) }
            }
            throw problem
        }
    }

    /// The hold a path names, where the caller may know of it.
    private func own(_ request: Request, _ context: WebContext) async throws -> OccupancyID {
        _ = try Query(request, known: [])
        let id = try id(context)
        let row = try await services.reads.holds(stations: context.caller.stations)
            .first { $0.id == id }
        guard row != nil else { throw APIProblem(Problem(.notFound)) }
        return OccupancyID(rawValue: id)
    }

    private func submit(
        _ step: HoldStep,
        _ context: WebContext,
        status: HTTPResponse.Status = .ok
    ) async throws -> Response {
        switch await services.core.submit(.hold(step, by: context.actor)) {
        case .success(.hold(let id)):
            let row = try await services.reads.holds(stations: nil).first { $0.id == id.rawValue }
            guard let row else { throw APIProblem(Problem(.holdExpired)) }
            return try jsonResponse(HoldDTO(row), status: status)
        case .success: throw APIProblem(Problem(.notFound))
        case .failure(let problem): throw APIProblem(problem)
        }
    }
}

struct HoldDTO: Encodable {
    var id: Int64
    var station: String
    var bay: String
    var technician: String?
    var start: String
    var end: String
    var holder: String
    var until: String

    init(_ row: OccupancyRecord) {
        id = row.id
        station = row.stationCode ?? ""
        bay = row.bayCode
        technician = row.technicianCode
        start = "\(row.start)"
        end = "\(row.end)"
        holder = row.holder ?? ""
        until = "\(row.expiresAt ?? row.end)"
    }
}
