import Access
import CoreLoop
import Customers
import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Mustache
import Store
import Telemetry
import Workshop

/// The advisors' pages: rendered here, alive through `/events`, usable without script.
struct Pages: Sendable {
    let services: WebServices
    let frame: PageFrame

    func addRoutes(to router: Router<WebContext>) {
        router.get("/") { request, _ in
            _ = try Query(request, known: [])
            return Response.redirect(to: "/inbox", type: .normal)
        }
        router.get("/inbox") { request, context in try await inbox(request, context) }
        router.get("/suggestions/:id") { request, context in
            _ = try Query(request, known: ["done", "lang"])
            return try await suggestion(request, context, try id(context), problem: nil)
        }
        router.post("/suggestions/:id/book") { request, context in
            try await book(request, context, try id(context))
        }
        router.post("/suggestions/:id/decline") { request, context in
            try await decline(request, context, try id(context))
        }
        router.get("/assets/style.css") { _, _ in
            asset(PackageResources.style_css, "text/css; charset=utf-8")
        }
        router.get("/assets/live.js") { _, _ in
            asset(PackageResources.live_js, "text/javascript; charset=utf-8")
        }
    }

    private func asset(_ bytes: [UInt8], _ type: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type, .cacheControl: "no-cache"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }

    private func id(_ context: WebContext) throws -> Int64 {
        context.parameters.get("id", as: Int64.self) ?? 0
    }

    private struct MessageModel {
        var heading: String
        var text: String
        var t: [String: String]
    }

    // MARK: Inbox

    private func inbox(_ request: Request, _ context: WebContext) async throws -> Response {
        let language = PageFrame.language(of: request)
        let query = try Query(request, known: ["state", "cursor", "lang"])
        let state = query["state"].flatMap(SuggestionState.init) ?? .proposed
        let limit = 50
        let rows = try await services.reads.suggestions(
            SuggestionFilter(states: [state]),
            after: try query.suggestionCursor(),
            limit: limit + 1,
            stations: context.caller.stations
        )
        var owners: [String: String] = [:]
        for row in rows.prefix(limit) {
            let owner = try await services.desk.owner(of: row.vehicle)
            owners[row.vehicle] = owner?.profile.name.map(Masking.name)
        }
        let shown = rows.prefix(limit).map { SuggestionID(rawValue: $0.id) }
        let blocks = await services.core.ask { gateway in
            var blocks: [Int64: ContactBlock] = [:]
            for id in shown { blocks[id.rawValue] = gateway.contactBlock(id) }
            return blocks
        }
        let model = InboxModel(
            rows: Array(rows.prefix(limit)),
            owners: owners,
            blocks: blocks ?? [:],
            next: rows.count > limit
                ? "/inbox?state=\(state.rawValue)&cursor=\(Cursor(after: rows[limit - 1]).text)"
                : nil,
            state: state,
            counts: try await services.reads.suggestionCounts(stations: context.caller.stations),
            services: services,
            language: language
        )
        return frame.page(
            request,
            context,
            title: Texts(language: language).inbox,
            template: "inbox",
            model: model
        )
    }

    // MARK: One suggestion

    private func suggestion(
        _ request: Request,
        _ context: WebContext,
        _ id: Int64,
        problem: String?
    ) async throws -> Response {
        let language = PageFrame.language(of: request)
        let texts = Texts(language: language)
        guard let row = try await services.reads.suggestion(id),
            context.caller.sees(station: row.stationCode)
        else {
            return frame.page(
                request,
                context,
                title: "404",
                template: "message",
                model: MessageModel(
                    heading: "404",
                    text: language.pick(zh: "没有这个建议。", en: "There is no such suggestion."),
                    t: texts.words
                ),
                status: .notFound
            )
        }
        var model = try await SuggestionModel.make(row, services: services, language: language)
        model.problem = problem.map(texts.problem)
        model.declineOpen = problem == "invalid_form"
        model.csrf = context.csrf
        model.isOpen = model.isOpen && context.caller.can(.decide)
        switch request.uri.queryParameters["done"].map(String.init) {
        case "booked" where row.state == .booked: model.done = texts.booked
        case "declined" where row.state == .declined: model.done = texts.declined
        default: break
        }
        return frame.page(
            request,
            context,
            title: row.vehicle,
            template: "suggestion",
            model: model,
            status: problem == nil ? .ok : .conflict
        )
    }

    // MARK: Decisions

    private struct BookForm: Decodable {
        var version: Int
        var offer: String?
    }

    private struct DeclineForm: Decodable {
        var version: Int
        var reason: String
        var note: String?
    }

    private func book(
        _ request: Request,
        _ context: WebContext,
        _ id: Int64
    ) async throws -> Response {
        guard let form = await PageFrame.form(BookForm.self, request) else {
            return try await suggestion(request, context, id, problem: "invalid_form")
        }
        return try await decide(
            request,
            context,
            id,
            "booked",
            version: form.version,
            .book(form.offer.flatMap(OfferLabel.init).map(SlotChoice.offer) ?? .held)
        )
    }

    private func decline(
        _ request: Request,
        _ context: WebContext,
        _ id: Int64
    ) async throws -> Response {
        guard let form = await PageFrame.form(DeclineForm.self, request),
            let reason = DeclineReason(rawValue: form.reason)
        else { return try await suggestion(request, context, id, problem: "invalid_form") }
        return try await decide(
            request,
            context,
            id,
            "declined",
            version: form.version,
            .decline(reason, note: noteText(form.note))
        )
    }

    private func decide(
        _ request: Request,
        _ context: WebContext,
        _ id: Int64,
        _ done: String,
        version: Int,
        _ step: SuggestionStep
    ) async throws -> Response {
        // What lies out of the caller's scope is not there, for a decision either.
        guard let row = try await services.reads.suggestion(id),
            context.caller.sees(station: row.stationCode)
        else { return try await suggestion(request, context, id, problem: nil) }
        let command = Command.suggestion(
            SuggestionID(rawValue: id),
            version: version,
            step,
            by: context.actor
        )
        switch await services.core.submit(command) {
        case .success: return .redirect(to: "/suggestions/\(id)?done=\(done)", type: .normal)
        case .failure(let problem):
            return try await suggestion(request, context, id, problem: problem.code.rawValue)
        }
    }
}
