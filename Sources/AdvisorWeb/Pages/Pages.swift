import CoreLoop
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
    let library: MustacheLibrary

    init(services: WebServices) throws {
        self.services = services
        var library = MustacheLibrary()
        for (name, bytes) in [
            ("page", PackageResources.page_mustache), ("inbox", PackageResources.inbox_mustache),
            ("suggestion", PackageResources.suggestion_mustache),
            ("message", PackageResources.message_mustache),
        ] {
            try library.register(String(decoding: bytes, as: UTF8.self), named: name)
        }
        self.library = library
    }

    func addRoutes(to router: Router<BasicRequestContext>) {
        router.get("/") { _, _ in Response.redirect(to: "/inbox", type: .normal) }
        router.get("/inbox") { request, _ in try await inbox(request) }
        router.get("/suggestions/:id") { request, context in
            try await suggestion(request, try id(context), problem: nil)
        }
        router.post("/suggestions/:id/book") { request, context in
            try await book(request, context)
        }
        router.post("/suggestions/:id/decline") { request, context in
            try await decline(request, context)
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

    private func id(_ context: BasicRequestContext) throws -> Int64 {
        context.parameters.get("id", as: Int64.self) ?? 0
    }

    // MARK: Language

    /// The language asked for by link, remembered by cookie, or wished for by the browser.
    private func language(_ request: Request) -> Language {
        if let asked = request.uri.queryParameters["lang"].flatMap({
            Language(rawValue: String($0))
        }) {
            return asked
        }
        let cookies = request.headers[.cookie] ?? ""
        for cookie in cookies.split(separator: ";") {
            let pair = cookie.split(separator: "=")
            if pair.count == 2, pair[0].trimmingCharacters(in: .whitespaces) == "lang",
                let kept = Language(rawValue: String(pair[1]))
            {
                return kept
            }
        }
        return (request.headers[.acceptLanguage] ?? "").hasPrefix("zh") ? .zh : .en
    }

    // MARK: Rendering

    private struct PageModel {
        var lang: String
        var revision: Int
        var title: String
        var t: [String: String]
        var switchHref: String
        var switchLang: String
        var switchName: String
        var status: String
        var feedProblem: String?
        var content: String
    }

    private struct MessageModel {
        var heading: String
        var text: String
        var t: [String: String]
    }

    private func page(
        _ request: Request,
        _ language: Language,
        title: String,
        template: String,
        model: Any,
        status code: HTTPResponse.Status = .ok
    ) -> Response {
        // The revision is taken before the page is read, so that a change in between is noticed.
        let news = StatusLine(services)
        let other = language.other
        let query = request.uri.queryParameters.filter { $0.key != "lang" }
            .map { "\($0.key)=\($0.value)&" }.joined()
        let html = library.render(
            PageModel(
                lang: language.tag,
                revision: services.core.changes.revision,
                title: title,
                t: Texts(language: language).words,
                switchHref: "\(request.uri.path)?\(query)lang=\(other.rawValue)",
                switchLang: other.tag,
                switchName: other.pick(zh: "中文", en: "English"),
                status: news.text(language),
                feedProblem: news.problem(language),
                content: library.render(model, withTemplate: template) ?? ""
            ),
            withTemplate: "page"
        )
        return Response(
            status: code,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
                .setCookie: "lang=\(language.rawValue); Path=/; Max-Age=31536000; SameSite=Lax",
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(string: html ?? ""))
        )
    }

    // MARK: Inbox

    private func inbox(_ request: Request) async throws -> Response {
        let language = language(request)
        let query = try Query(request, known: ["state", "cursor", "lang"])
        let state = query["state"].flatMap(SuggestionState.init) ?? .proposed
        let limit = 50
        let rows = try await services.reads.suggestions(
            states: [state],
            after: try query.cursor(),
            limit: limit + 1
        )
        let model = InboxModel(
            rows: Array(rows.prefix(limit)),
            next: rows.count > limit
                ? "/inbox?state=\(state.rawValue)&cursor=\(Query.cursor(after: rows[limit - 1]))"
                : nil,
            state: state,
            counts: try await services.reads.suggestionCounts(),
            services: services,
            language: language
        )
        return page(
            request,
            language,
            title: Texts(language: language).inbox,
            template: "inbox",
            model: model
        )
    }

    // MARK: One suggestion

    private func suggestion(
        _ request: Request,
        _ id: Int64,
        problem: String?
    ) async throws -> Response {
        let language = language(request)
        let texts = Texts(language: language)
        guard let row = try await services.reads.suggestion(id) else {
            return page(
                request,
                language,
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
        switch request.uri.queryParameters["done"].map(String.init) {
        case "booked" where row.state == .booked: model.done = texts.booked
        case "declined" where row.state == .declined: model.done = texts.declined
        default: break
        }
        return page(
            request,
            language,
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

    private func book(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        guard let form = await form(BookForm.self, request) else {
            return try await suggestion(request, try id(context), problem: "invalid_form")
        }
        let offer = form.offer.flatMap(OfferLabel.init)
        return try await decide(
            request,
            context,
            "booked",
            version: form.version,
            .book(offer.map(SlotChoice.offer) ?? .held)
        )
    }

    private func decline(
        _ request: Request,
        _ context: BasicRequestContext
    ) async throws -> Response {
        guard let form = await form(DeclineForm.self, request),
            let reason = DeclineReason(rawValue: form.reason)
        else { return try await suggestion(request, try id(context), problem: "invalid_form") }
        return try await decide(
            request,
            context,
            "declined",
            version: form.version,
            .decline(reason, note: noteText(form.note))
        )
    }

    private func form<Form: Decodable>(_ type: Form.Type, _ request: Request) async -> Form? {
        var request = request
        guard let buffer = try? await request.collectBody(upTo: Limits.requestBodyBytesMax) else {
            return nil
        }
        return try? URLEncodedFormDecoder().decode(type, from: String(buffer: buffer))
    }

    private func decide(
        _ request: Request,
        _ context: BasicRequestContext,
        _ done: String,
        version: Int,
        _ step: SuggestionStep
    ) async throws -> Response {
        let id = try id(context)
        let command = Command.suggestion(
            SuggestionID(rawValue: id),
            version: version,
            step,
            by: caller(context, as: "advisor")
        )
        switch await services.core.submit(command) {
        case .success: return .redirect(to: "/suggestions/\(id)?done=\(done)", type: .normal)
        case .failure(let problem):
            return try await suggestion(request, id, problem: problem.code.rawValue)
        }
    }
}
