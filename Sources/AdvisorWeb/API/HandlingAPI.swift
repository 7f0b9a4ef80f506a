import CoreLoop
import Decoding
import GatewayCore
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/suggestions/{id}/…`: lease, contact, waiting, escalation, undo, merging.
struct HandlingAPI {
    let services: WebServices

    private var suggestions: SuggestionsAPI { SuggestionsAPI(services: services) }

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/suggestions/:id")
        group.get("/slots") { request, context in try await slots(request, context) }
        group.get("/contact") { request, context in try await contact(request, context) }
        group.get("/attempts") { request, context in try await attempts(request, context) }
        group.post("/attempts") { request, context in try await attempt(request, context) }
        group.post("/lease") { try await suggestions.take(.lease, $0, $1) }
        group.post("/undo") { try await suggestions.take(.undo, $0, $1) }
        group.post("/merge") { try await suggestions.take(.merge, $0, $1) }
        group.post("/acknowledge") { try await suggestions.take(.acknowledge, $0, $1) }
        group.post("/release") { request, context in try await release(request, context) }
        group.post("/wait") { request, context in try await wait(request, context) }
        group.post("/escalate") { request, context in try await escalate(request, context) }
    }

    // MARK: Reading

    /// What could be offered now, each with its reasons: three ranked offers or, within a window,
    /// every slot that would do.
    private func slots(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["station", "from", "to"])
        let row = try await suggestions.row(try id(context), context)
        let code = query["station"] ?? row.stationCode
        try context.require(station: code)
        guard let place = services.stations.firstIndex(where: { $0.code == code }) else {
            throw query.invalid("station", "the code of a station")
        }
        let id = SuggestionID(rawValue: row.id)
        let from = try query.time("from")
        let to = try query.time("to")
        let station = services.stations[place]
        let items: [SlotDTO]?
        if from == nil, to == nil {
            items = try await ask { $0.offers(for: id, at: place) }?
                .map { SlotDTO($0, station) }
        } else {
            let start = from ?? services.clock()
            let end = to ?? max(start, services.clock()) + .days(Int64(7))
            let longest = Milliseconds.days(Int64(Limits.freeSlotDaysMax))
            guard start < end, end - start <= longest, end <= Limits.observedAtEnd else {
                throw query.invalid(
                    "to",
                    "after 'from', by at most \(Limits.freeSlotDaysMax) days"
                )
            }
            let window = OpenInterval(start: start, end: end)
            items = try await ask { $0.freeSlots(for: id, at: place, within: window) }?
                .map { SlotDTO($0.slot, $0.terms, station) }
        }
        guard let items else { throw APIProblem(Problem(.illegalTransition)) }
        return try jsonResponse(ListDTO(items: items, nextCursor: nil))
    }

    private func ask<Found: Sendable>(
        _ question: @escaping @Sendable (borrowing Gateway) -> Found
    ) async throws -> Found {
        guard let found = await services.core.ask(question) else {
            throw APIProblem(Problem(.overloaded))
        }
        return found
    }

    /// Whether the customer may be contacted now; asked before a call, so that no rule is broken.
    private func contact(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let row = try await suggestions.row(try id(context), context)
        let id = SuggestionID(rawValue: row.id)
        guard let block = await services.core.ask({ $0.contactBlock(id) }) else {
            throw APIProblem(Problem(.overloaded))
        }
        return try jsonResponse(ContactDTO(block))
    }

    private func attempts(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let row = try await suggestions.row(try id(context), context)
        let rows = try await services.reads.attempts(onSuggestion: row.id)
        return try jsonResponse(ListDTO(items: rows.map(AttemptDTO.init), nextCursor: nil))
    }

    // MARK: Deciding

    private struct AttemptBody: Decodable {
        struct Preference: Decodable {
            var weekdays: [Int]?
            var from: Int?
            var to: Int?
        }

        var channel: String?
        var outcome: String
        var callBackAt: String?
        var offer: String?
        var odometerKilometres: Int?
        var symptoms: String?
        var note: String?
        var preferred: Preference?

        enum CodingKeys: String, CodingKey {
            case channel, outcome, offer, symptoms, note, preferred
            case callBackAt = "call_back_at"
            case odometerKilometres = "odometer_km"
        }
    }

    private func attempt(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(AttemptBody.self, request, whenEmpty: nil)
        if let odometer = body.odometerKilometres,
            !(0...Limits.odometerKilometresMax).contains(odometer)
        {
            throw invalid("odometer_km", "kilometres in 0…\(Limits.odometerKilometresMax)")
        }
        let attempt = ContactAttempt(
            channel: try value(body.channel ?? "phone", "channel", ContactChannel.self),
            outcome: try value(body.outcome, "outcome", ContactOutcome.self),
            callBackAt: try time(body.callBackAt, "call_back_at"),
            offer: try body.offer.map { try value($0, "offer", OfferLabel.self) },
            odometerKilometres: body.odometerKilometres,
            symptoms: noteText(body.symptoms),
            note: noteText(body.note),
            preference: try preference(body.preferred)
        )
        return try await suggestions.take(.attempt(attempt), request, context)
    }

    private func preference(_ body: AttemptBody.Preference?) throws -> VisitPreference? {
        guard let body else { return nil }
        let from = body.from ?? 0
        let to = body.to ?? 1_440
        guard (0...1_440).contains(from), (from...1_440).contains(to),
            (body.weekdays ?? []).allSatisfy((1...7).contains)
        else {
            throw invalid("preferred", "weekdays in 1…7 and minutes of the day from ≤ to ≤ 1440")
        }
        return VisitPreference(weekdays: Set(body.weekdays ?? []), from: from, to: to)
    }

    private struct ReasonBody: Decodable {
        var reason: String?
    }

    private func release(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(ReasonBody.self, request, whenEmpty: ReasonBody())
        return try await suggestions.take(
            .release(reason: noteText(body.reason)),
            request,
            context
        )
    }

    private struct WaitBody: Decodable {
        var kind: String
        var until: String
        var note: String?
    }

    private func wait(_ request: Request, _ context: WebContext) async throws -> Response {
        let body = try await decode(WaitBody.self, request, whenEmpty: nil)
        guard let until = try time(body.until, "until") else { throw invalid("until", "a time") }
        return try await suggestions.take(
            .wait(
                Wait(kind: try value(body.kind, "kind", WaitKind.self), until: until),
                note: noteText(body.note)
            ),
            request,
            context
        )
    }

    private struct EscalateBody: Decodable {
        var queue: String?
        var reason: String
    }

    private func escalate(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        let body = try await decode(EscalateBody.self, request, whenEmpty: nil)
        let reason = noteText(body.reason)
        guard !reason.isEmpty else { throw invalid("reason", "said in words") }
        let queue = try value(body.queue ?? "specialist", "queue", Queue.self)
        return try await suggestions.take(.escalate(queue, reason: reason), request, context)
    }
}

/// Whether a customer may be called now, and if not, why and until when.
struct ContactDTO: Encodable {
    var allowed: Bool
    var reason: String?
    var until: String?

    init(_ block: ContactBlock?) {
        allowed = block == nil
        reason = block?.reason.rawValue
        until = block?.until.map { "\($0)" }
    }
}

struct AttemptDTO: Encodable {
    var id: Int64
    var at: String
    var actor: String
    var channel: String
    var outcome: String
    var isRedial: Bool
    var callBackAt: String?
    var odometerKilometres: Int?
    var symptoms: String
    var note: String

    init(_ row: AttemptRecord) {
        id = row.id
        at = "\(row.at)"
        actor = row.actor
        channel = row.channel.rawValue
        outcome = row.outcome.rawValue
        isRedial = row.isRedial
        callBackAt = row.callBackAt.map { "\($0)" }
        odometerKilometres = row.odometerKilometres
        symptoms = row.symptoms
        note = row.note
    }

    enum CodingKeys: String, CodingKey {
        case id, at, actor, channel, outcome, symptoms, note
        case isRedial = "is_redial"
        case callBackAt = "call_back_at"
        case odometerKilometres = "odometer_km"
    }
}
