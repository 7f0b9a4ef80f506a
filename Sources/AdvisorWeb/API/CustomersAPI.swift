import Access
import CoreLoop
import Customers
import GatewayCore
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Workshop

/// `/api/v1/customers`: who owns which vehicle, what they agreed to, and what they may ask of us.
///
/// What is personal is masked; showing it is a POST that leaves a trace.
struct CustomersAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/customers")
        group.get { request, context in try await list(request, context) }
        group.get(":customer") { request, context in try await show(request, context) }
        group.put(":customer") { request, context in try await put(request, context) }
        group.post(":customer/unmask") { request, context in try await unmask(request, context) }
        group.post(":customer/export") { request, context in try await export(request, context) }
        group.post(":customer/erase") { request, context in try await askErasure(request, context) }
        group.post(":customer/erase/confirm") { request, context in
            try await confirmErasure(request, context)
        }
    }

    // MARK: Reading and writing

    private func list(_ request: Request, _ context: WebContext) async throws -> Response {
        let query = try Query(request, known: ["vehicle", "limit", "cursor"])
        let limit = try query.limit()
        let rows: [CustomerRecord]
        if let vehicle = query["vehicle"] {
            rows = try await services.desk.owner(of: vehicle).map { [$0] } ?? []
        } else {
            rows = try await services.desk.customers(
                after: try query.cursor(numbers: 1)?[0] ?? 0,
                limit: limit + 1,
                stations: context.caller.stations,
                standardStation: services.stations[0].code
            )
        }
        let page = rows.prefix(limit).filter { sees($0, context) }
        return try listResponse(
            page.map { CustomerDTO($0, isMasked: true) },
            next: rows.count > limit ? page.last.map { Cursor([$0.id]) } : nil,
            request
        )
    }

    private func show(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        return try answer(try await record(context))
    }

    private func put(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let name = try name(context)
        // A record out of scope is not there, and cannot be written over either.
        if let known = try await services.desk.customer(name), !sees(known, context) {
            throw CustomersAPI.unknown
        }
        let draft = try await decode(CustomerBody.self, request, whenEmpty: nil)
            .draft(stations: Set(services.stations.map(\.code)))
        guard context.caller.sees(station: draft.profile.station ?? services.stations[0].code)
        else { throw invalid("/station", "a station of yours") }
        let outcome = try await services.desk.put(
            draft,
            as: name,
            version: request.headers[.ifMatch] == nil ? nil : try version(of: request),
            by: context.actor,
            at: services.wallClock()
        )
        await services.tellCoreNews()
        switch outcome {
        case .created(let record): return try answer(record, status: .created)
        case .updated(let record), .unchanged(let record): return try answer(record)
        case .versionMissing: throw versionMissing
        case .stale(let record):
            var problem = APIProblem(Problem(.staleVersion, currentVersion: record.version))
            problem.current = CustomerDTO(record, isMasked: true)
            throw problem
        case .erased:
            throw APIProblem(
                .conflict,
                code: "customer_erased",
                detail: "This customer was erased and cannot be brought back under this number."
            )
        }
    }

    // MARK: Privacy

    private struct UnmaskBody: Decodable {
        var reason: String
    }

    private func unmask(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let known = try await record(context)
        let reason = noteText(
            try await decode(UnmaskBody.self, request, whenEmpty: nil).reason
        )
        guard !reason.isEmpty else { throw invalid("/reason", "why the data is needed") }
        guard
            let record = try await services.desk.unmask(
                known.externalID,
                by: context.actor,
                reason: reason,
                at: services.wallClock()
            )
        else { throw CustomersAPI.unknown }
        return try jsonResponse(
            CustomerDTO(record, isMasked: false),
            headers: [.eTag: tag(record.version), .cacheControl: "no-store"]
        )
    }

    /// Everything the store holds about the customer: JSON, or a page to read where one is asked
    /// for.
    private func export(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let known = try await record(context)
        guard
            let tables = try await services.desk.export(
                known.externalID,
                by: context.actor,
                at: services.wallClock()
            )
        else { throw CustomersAPI.unknown }
        let readings = try await services.reads.readings(
            ofCustomer: known.externalID,
            limit: Limits.exportedReadingsMax
        )
        let export = CustomerExport(customer: known.externalID, tables: tables + [readings])
        guard request.headers[.accept]?.contains("text/html") == true else {
            return try jsonResponse(export, headers: [.cacheControl: "no-store"])
        }
        return Response(
            status: .ok,
            headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: export.html))
        )
    }

    private struct ErasureDTO: Encodable {
        var erasure: Int64?
        var isErased: Bool
        var rows: [String: Int]

        enum CodingKeys: String, CodingKey {
            case erasure, rows
            case isErased = "is_erased"
        }
    }

    private struct ConfirmBody: Decodable {
        var erasure: Int64
    }

    private func askErasure(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        let known = try await record(context)
        return try answer(
            try await services.desk.askErasure(
                of: known.externalID,
                by: context.caller,
                at: services.wallClock()
            )
        )
    }

    private func confirmErasure(
        _ request: Request,
        _ context: WebContext
    ) async throws -> Response {
        _ = try Query(request, known: [])
        let known = try await record(context)
        let body = try await decode(ConfirmBody.self, request, whenEmpty: nil)
        let outcome = try await services.desk.confirmErasure(
            body.erasure,
            of: known.externalID,
            by: context.caller,
            at: services.wallClock()
        )
        await services.tellCoreNews()
        return try answer(outcome)
    }

    private func answer(_ outcome: ErasureOutcome) throws -> Response {
        switch outcome {
        case .asked(let number, let counts):
            return try jsonResponse(ErasureDTO(erasure: number, isErased: false, rows: counts))
        case .erased(let counts):
            return try jsonResponse(ErasureDTO(erasure: nil, isErased: true, rows: counts))
        case .notAsked:
            throw APIProblem(
                .conflict,
                code: "erasure_not_asked",
                detail: "Nobody has asked for this erasure, or it has been done."
            )
        case .samePerson:
            throw APIProblem(
                .conflict,
                code: "second_person_needed",
                detail: "Whoever asked for an erasure cannot confirm it."
            )
        case .unknown: throw CustomersAPI.unknown
        }
    }

    // MARK: Parts

    private static let unknown = APIProblem(
        .notFound,
        code: "not_found",
        detail: "There is no such customer."
    )

    private func name(_ context: WebContext) throws -> String {
        guard let name = context.parameters.get("customer"), CustomerDraft.isName(name) else {
            throw CustomersAPI.unknown
        }
        return name
    }

    private func record(_ context: WebContext) async throws -> CustomerRecord {
        guard let record = try await services.desk.customer(try name(context)),
            sees(record, context)
        else { throw CustomersAPI.unknown }
        return record
    }

    private func sees(_ record: CustomerRecord, _ context: WebContext) -> Bool {
        context.caller.sees(station: record.profile.station ?? services.stations[0].code)
    }

    private func answer(
        _ record: CustomerRecord,
        status: HTTPResponse.Status = .ok
    ) throws -> Response {
        try jsonResponse(
            CustomerDTO(record, isMasked: true),
            status: status,
            headers: [.eTag: tag(record.version)]
        )
    }
}

extension WebServices {
    /// Tells the core what the desk has learnt of vehicles: owners, homes, consents, due work.
    ///
    /// What is left undone by a crash is done at the next call: the rows stay until the core has
    /// committed them.
    package func tellCoreNews() async {
        while let news = try? await desk.vehicleNews(), !news.isEmpty {
            guard case .success = await core.submit(.facts(news.map(\.news))) else { return }
            guard (try? await desk.forgetNews(news.map(\.id))) != nil else { return }
        }
    }
}
