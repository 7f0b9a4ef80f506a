import Access
import HTTPTypes
import Hummingbird
import Store
import Telemetry

/// Finds out who asks, and lets pass what they may do.
///
/// While no user has been created, whoever reaches a gateway on loopback is the advisor; from the
/// first user on, a page needs a session and the API a session or a token.
struct AccessGate: RouterMiddleware {
    let services: WebServices
    let isLoopback: Bool

    @concurrent func handle(
        _ request: Request,
        context: WebContext,
        next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        var request = request
        let path = request.uri.path
        let needed = AccessRules.capability(request.method, path)
        try await identify(request, &context, isNeeded: needed != nil)
        guard let needed else { return try await next(request, context) }
        if case .nobody = context.caller.kind {
            guard request.method == .get, !AccessGate.isForPrograms(path) else {
                var problem = APIProblem(
                    .unauthorized,
                    code: "login_needed",
                    detail: "Send a token as Authorization: Bearer, or log in at /login."
                )
                problem.headers[.wwwAuthenticate] = "Bearer"
                throw problem
            }
            return .redirect(to: LoginPages.address(returningTo: request), type: .normal)
        }
        try context.require(needed)
        if let csrf = context.csrf, request.method != .get, request.method != .head {
            try await checkForgery(&request, csrf)
        }
        return try await next(request, context)
    }

    private static func isForPrograms(_ path: String) -> Bool {
        path.hasPrefix("/api/") || path == "/events" || path == "/metrics"
    }

    private func identify(
        _ request: Request,
        _ context: inout WebContext,
        isNeeded: Bool
    ) async throws {
        let now = services.wallClock()
        if let header = request.headers[.authorization] {
            guard header.lowercased().hasPrefix("bearer "),
                let caller = try await services.desk.caller(
                    ofToken: String(header.dropFirst("bearer ".count)),
                    at: now
                )
            else {
                var problem = APIProblem(
                    .unauthorized,
                    code: "invalid_token",
                    detail: "The token is not known, or was revoked."
                )
                problem.headers[.wwwAuthenticate] = "Bearer error=\"invalid_token\""
                throw problem
            }
            context.caller = caller
        } else if let secret = Cookies.value(SessionCookie.name, of: request),
            let session = try await services.desk.session(secret, at: now)
        {
            context.caller = session.caller
            context.csrf = session.csrf
        } else if isNeeded, isLoopback, try await !services.desk.hasUsers() {
            context.caller = .local
        }
    }

    /// A browser sends the cookie by itself, so a change must carry what only our pages know.
    private func checkForgery(_ request: inout Request, _ csrf: String) async throws {
        var sent = HTTPField.Name("X-CSRF-Token").flatMap { request.headers[$0] }
        if sent == nil,
            request.headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true
        {
            let body = try await request.boundedBody()
            struct Form: Decodable { var csrf: String? }
            sent = try? URLEncodedFormDecoder().decode(Form.self, from: String(buffer: body)).csrf
        }
        guard let sent, Secret.agree(sent, csrf) else {
            throw APIProblem(
                .forbidden,
                code: "foreign_form",
                detail: "The form is not one of this session: load the page again."
            )
        }
    }
}

/// What a browser sent in its cookie header.
enum Cookies {
    static func value(_ name: String, of request: Request) -> String? {
        for cookie in (request.headers[.cookie] ?? "").split(separator: ";") {
            let pair = cookie.split(separator: "=", maxSplits: 1)
            if pair.count == 2, pair[0].drop(while: { $0 == " " }) == name {
                return String(pair[1])
            }
        }
        return nil
    }
}

/// The cookie that stands for a session.
enum SessionCookie {
    static let name = "session"
    /// A working day.
    static let life = Milliseconds.hours(8)

    static func set(_ secret: String, for request: Request) -> String {
        "\(name)=\(secret); Path=/; Max-Age=\(life.rawValue / 1_000); \(attributes(request))"
    }

    static func clear(for request: Request) -> String {
        "\(name)=; Path=/; Max-Age=0; \(attributes(request))"
    }

    /// `Secure` only where a proxy says the browser speaks TLS: without it the cookie would be lost.
    private static func attributes(_ request: Request) -> String {
        let proto = HTTPField.Name("X-Forwarded-Proto").flatMap { request.headers[$0] }
        return "HttpOnly; SameSite=Strict" + (proto == "https" ? "; Secure" : "")
    }
}
