import Access
import CoreLoop
import Decoding
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/appointments`: confirmed visits, from walk-in to follow-up.
struct AppointmentsAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/appointments")
        group.get("") { request, context in try await list(request, context) }
        group.post("") { request, context in try await walkIn(request, context) }
        group.get("/:id") { request, context in
            _ = try Query(request, known: [])
            return try await answer(try id(context), context)
        }
        group.post("/:id/move") { request, context in try await move(request, context) }
        group.post("/:id/arrive") { request, context in try await arrive(request, context) }
        group.post("/:id/start") { try await take(.start, $0, $1) }
        group.post("/:id/no_show") { try await take(.miss, $0, $1) }
        group.post("/:id/cancel") { request, context in
            let (code, note) = try await code(request)
            return try await take(.cancel(code, note: note), request, context)
        }
        group.post("/:id/abort") { request, context in
            let (code, note) = try await code(request)
            return try await take(.abort(code, note: note), request, context)
        }
        group.post("/:id/finish") { request, context in try await finish(request, context) }
        group.post("/:id/rework") { request, context in try await rework(request, context) }
        group.post("/:id/follow_up") { request, context in try await followUp(request, context) }
        group.post("/:id/to_dos/:kind/settle") { request, context in
            let kind = try value(context.parameters.get("kind") ?? "", "kind", ToDo.Kind.self)
            return try await take(.settle(kind), request, context)
        }
    }

    // MARK: Reading

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(
            request,
            known: ["state", "station", "from", "to", "to_do", "limit", "cursor"]
        )
        let limit = try query.limit()
        var filter = AppointmentFilter()
        filter.state = try query.value("state", AppointmentState.self)
        filter.station = query["station"]
        filter.from = try query.time("from")
        filter.to = try query.time("to")
        filter.toDo = try query.value("to_do", ToDo.Kind.self)
        let rows = try await services.reads.appointments(
            filter,
            after: try query.cursor(numbers: 2).map { (start: $0[0], id: $0[1]) },
            limit: limit + 1,
            stations: context.caller.stations
        )
        let page = rows.prefix(limit)
        return try listResponse(
            page.map(AppointmentDTO.init),
            next: rows.count > limit
                ? page.last.map { Cursor([$0.slot.start.milliseconds, $0.id]) } : nil,
            request
        )
    }

    private func answer(
        _ id: Int64,
        _ context: WebContext,
        status: HTTPResponse.Status = .ok
    ) async throws -> Response {
        guard let row = try await services.reads.appointment(id),
            context.caller.sees(station: row.stationCode)
        else { throw APIProblem(Problem(.notFound)) }
        return try jsonResponse(
            AppointmentDTO(row),
            status: status,
            headers: [.eTag: "\"v\(row.version)\""]
        )
    }

    // MARK: Deciding

    private func take(
        _ step: AppointmentStep,
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let id = try id(context)
        let command = Command.appointment(
            AppointmentID(rawValue: id),
            version: try version(of: request),
            step,
            by: context.actor
        )
        // What lies out of the caller's scope is not there, for a decision either.
        _ = try await answer(id, context)
        if case .failure(let problem) = await services.core.submit(command) {
            throw APIProblem(problem)
        }
        return try await answer(id, context)
    }

    private struct WalkInBody: Decodable {
        var vehicle: String
        var jobs: [String]
        /// Both, or the hold that keeps the slot.
        var station: String?
        var start: String?
        var hold: Int64?
        var note: String?

        func slot() throws -> WalkInSlot {
            switch (hold, station, try time(start, "start")) {
            case (let hold?, nil, nil): return .kept(OccupancyID(rawValue: hold))
            case (nil, let station?, let start?): return .start(start, station: station)
            default: throw invalid("body", "with station and start, or with hold")
            }
        }
    }

    private func walkIn(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(WalkInBody.self, request, whenEmpty: nil)
        let slot = try body.slot()
        try await requireScope(of: slot, body.vehicle, context)
        let visit = WalkIn(
            vehicle: body.vehicle,
            jobs: body.jobs,
            slot: slot,
            note: noteText(body.note)
        )
        switch await services.core.submit(.walkIn(visit, by: context.actor)) {
        case .success(.appointment(let id)):
            return try await answer(id.rawValue, context, status: .created)
        case .success: throw APIProblem(Problem(.notFound))
        case .failure(let problem): throw APIProblem(problem)
        }
    }

    /// What lies out of the caller's scope is not there: the station, its holds, its cars.
    private func requireScope(
        of slot: WalkInSlot,
        _ vehicle: String,
        _ context: WebContext
    ) async throws {
        switch slot {
        case .start(_, let station): try context.require(station: station)
        case .kept(let id):
            let row = try await services.reads.holds(stations: nil).first { $0.id == id.rawValue }
            if let row { try context.require(station: row.stationCode) }
        }
        if let row = try await services.reads.vehicle(named: vehicle) {
            try context.require(station: row.profile.station ?? services.stations[0].code)
        }
    }

    private struct MoveBody: Decodable {
        var start: String
        var reason: String?
    }

    private func move(_ request: Request, _ context: WebContext) async throws -> Response {
        let body = try await decode(MoveBody.self, request, whenEmpty: nil)
        guard let start = try time(body.start, "start") else { throw invalid("start", "a time") }
        return try await take(
            .move(to: start, reason: noteText(body.reason)),
            request,
            context
        )
    }

    private struct ArriveBody: Decodable {
        var odometerKilometres: Int?
        var symptoms: String?

        enum CodingKeys: String, CodingKey {
            case symptoms
            case odometerKilometres = "odometer_km"
        }
    }

    private func arrive(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(ArriveBody.self, request, whenEmpty: ArriveBody())
        if let odometer = body.odometerKilometres,
            !(0...Limits.odometerKilometresMax).contains(odometer)
        {
            throw invalid("odometer_km", "kilometres in 0…\(Limits.odometerKilometresMax)")
        }
        return try await take(
            .arrive(odometerKilometres: body.odometerKilometres, symptoms: noteText(body.symptoms)),
            request,
            context
        )
    }

    private struct CodeBody: Decodable {
        var code: String
        var note: String?
    }

    private func code(_ request: Request) async throws -> (CancelCode, String) {
        let body = try await decode(CodeBody.self, request, whenEmpty: nil)
        return (try value(body.code, "code", CancelCode.self), noteText(body.note))
    }

    private struct FinishBody: Decodable {
        struct Item: Decodable {
            var alert: Int64
            var verdict: String
            var action: String?
            var parts: String?
            var note: String?
            var measured: Double?
            var minutes: Int?
        }

        var findings: [Item]
        /// Codes of jobs the customer was told of and put off.
        var advised: [String]?
    }

    private func finish(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(
            FinishBody.self,
            request,
            whenEmpty: FinishBody(findings: [])
        )
        let findings = try body.findings.map { item in
            Finding(
                alert: AlertID(rawValue: item.alert),
                verdict: try value(item.verdict, "verdict", Verdict.self),
                action: noteText(item.action),
                parts: noteText(item.parts),
                note: noteText(item.note),
                measured: item.measured,
                minutes: item.minutes
            )
        }
        return try await take(
            .finish(findings, advised: body.advised ?? []),
            request,
            context
        )
    }

    private struct ReasonBody: Decodable {
        var reason: String
    }

    private func rework(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(ReasonBody.self, request, whenEmpty: nil)
        return try await take(.rework(reason: noteText(body.reason)), request, context)
    }

    private struct FollowUpBody: Decodable {
        var thanked: Bool?
        var score: Int?
        var expectation: String?
        var issue: String?
        var dueReminders: String?

        enum CodingKeys: String, CodingKey {
            case thanked, score, expectation, issue
            case dueReminders = "due_reminders"
        }
    }

    /// What is missing is refused by the core, so that no way around it exists.
    private func followUp(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(FollowUpBody.self, request, whenEmpty: FollowUpBody())
        return try await take(
            .followUp(
                FollowUp(
                    at: .distantPast,
                    by: "",
                    isThanked: body.thanked ?? false,
                    score: body.score ?? -1,
                    expectation: noteText(body.expectation),
                    issue: noteText(body.issue),
                    dueReminders: noteText(body.dueReminders)
                )
            ),
            request,
            context
        )
    }
}

struct AppointmentDTO: Encodable {
    struct FindingDTO: Encodable {
        var alert: Int64
        var verdict: String
        var action: String
        var parts: String
        var note: String
        var measured: Double?
        var minutes: Int?
    }

    struct ToDoDTO: Encodable {
        var kind: String
        var openedAt: String
        var doneAt: String?
        var doneBy: String?

        enum CodingKeys: String, CodingKey {
            case kind
            case openedAt = "opened_at"
            case doneAt = "done_at"
            case doneBy = "done_by"
        }
    }

    struct FollowUpDTO: Encodable {
        var at: String
        var by: String
        var score: Int
        var expectation: String
        var issue: String
        var dueReminders: String

        enum CodingKeys: String, CodingKey {
            case at, by, score, expectation, issue
            case dueReminders = "due_reminders"
        }
    }

    var id: Int64
    var version: Int
    var state: String
    var vehicle: String
    var station: String
    var suggestion: Int64?
    var alerts: [Int64]
    var jobs: [String]
    var lines: [VisitLineDTO]
    var minutes: Int
    var slot: SlotDTO
    var sequence: Int
    var createdAt: String
    var updatedAt: String
    var arrivedAt: String?
    var startedAt: String?
    var finishedAt: String?
    var odometerKilometres: Int?
    var symptoms: String
    var cancelCode: String?
    var note: String
    var findings: [FindingDTO]
    var toDos: [ToDoDTO]
    var followUp: FollowUpDTO?

    init(_ row: AppointmentRecord) {
        id = row.id
        version = row.version
        state = row.state.rawValue
        vehicle = row.vehicle
        station = row.stationCode
        suggestion = row.suggestion
        alerts = row.alerts
        jobs = row.need.jobs
        lines = row.need.lines.map(VisitLineDTO.init)
        minutes = row.need.minutes
        slot = SlotDTO(row.slot)
        sequence = row.sequence
        createdAt = "\(row.createdAt)"
        updatedAt = "\(row.updatedAt)"
        arrivedAt = row.arrivedAt.map { "\($0)" }
        startedAt = row.startedAt.map { "\($0)" }
        finishedAt = row.finishedAt.map { "\($0)" }
        odometerKilometres = row.odometerKilometres
        symptoms = row.symptoms
        cancelCode = row.cancelCode?.rawValue
        note = row.note
        findings = row.findings.map {
            FindingDTO(
                alert: $0.alert.rawValue,
                verdict: $0.verdict.rawValue,
                action: $0.action,
                parts: $0.parts,
                note: $0.note,
                measured: $0.measured,
                minutes: $0.minutes
            )
        }
        toDos = row.toDos.map {
            ToDoDTO(
                kind: $0.kind.rawValue,
                openedAt: "\($0.openedAt)",
                doneAt: $0.doneAt.map { "\($0)" },
                doneBy: $0.doneBy
            )
        }
        followUp = row.followUp.map {
            FollowUpDTO(
                at: "\($0.at)",
                by: $0.by,
                score: $0.score,
                expectation: $0.expectation,
                issue: $0.issue,
                dueReminders: $0.dueReminders
            )
        }
    }

    enum CodingKeys: String, CodingKey {
        case id, version, state, vehicle, station, suggestion, alerts, jobs, lines, minutes, slot
        case sequence, symptoms, note, findings
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case arrivedAt = "arrived_at"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case odometerKilometres = "odometer_km"
        case cancelCode = "cancel_code"
        case toDos = "to_dos"
        case followUp = "follow_up"
    }
}
