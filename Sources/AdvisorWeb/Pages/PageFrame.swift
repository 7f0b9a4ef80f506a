import Access
import CoreLoop
import Foundation
import HTTPTypes
import Hummingbird
import Mustache
import Store
import Telemetry

/// What every page has around it: language, who is logged in, the state of the feed.
struct PageFrame: Sendable {
    let services: WebServices
    private let library: MustacheLibrary

    init(services: WebServices) throws {
        self.services = services
        var library = MustacheLibrary()
        for (name, bytes) in [
            ("page", PackageResources.page_mustache), ("inbox", PackageResources.inbox_mustache),
            ("suggestion", PackageResources.suggestion_mustache),
            ("message", PackageResources.message_mustache),
            ("login", PackageResources.login_mustache),
        ] {
            try library.register(String(decoding: bytes, as: UTF8.self), named: name)
        }
        self.library = library
    }

    /// The language asked for by link, remembered by cookie, or wished for by the browser.
    static func language(of request: Request) -> Language {
        let asked = request.uri.queryParameters["lang"].map(String.init)
        let kept = Cookies.value("lang", of: request)
        if let language = (asked ?? kept).flatMap(Language.init(rawValue:)) { return language }
        return (request.headers[.acceptLanguage] ?? "").hasPrefix("zh") ? .zh : .en
    }

    /// A form as it was sent; nil when a field it needs is missing.
    static func form<Form: Decodable>(_ type: Form.Type, _ request: Request) async -> Form? {
        var request = request
        guard let buffer = try? await request.boundedBody() else {
            return nil
        }
        return try? URLEncodedFormDecoder().decode(type, from: String(buffer: buffer))
    }

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
        var noLogin: String?
        var user: String?
        var csrf: String?
        var content: String
    }

    func page(
        _ request: Request,
        _ context: WebContext,
        title: String,
        template: String,
        model: Any,
        status code: HTTPResponse.Status = .ok
    ) -> Response {
        // The revision is taken before the page is read, so that a change in between is noticed.
        let language = PageFrame.language(of: request)
        let texts = Texts(language: language)
        let news = StatusLine(services)
        let other = language.other
        let isKnown = context.caller.kind != .nobody
        let query = request.uri.queryParameters.filter { $0.key != "lang" }
            .map { "\($0.key)=\($0.value)&" }.joined()
        let html = library.render(
            PageModel(
                lang: language.tag,
                revision: services.core.changes.revision,
                title: title,
                t: texts.words,
                switchHref: "\(request.uri.path)?\(query)lang=\(other.rawValue)",
                switchLang: other.tag,
                switchName: other.pick(zh: "中文", en: "English"),
                // Who is not let in learns nothing of the fleet.
                status: isKnown ? news.text(language) : "",
                feedProblem: isKnown ? news.problem(language) : nil,
                noLogin: context.caller.kind == .local ? texts.noLogin : nil,
                user: context.csrf == nil ? nil : context.caller.name,
                csrf: context.csrf,
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
}
