import Access
import Foundation
import HTTPTypes
import Hummingbird
import Store
import Telemetry
import Threads

/// The way in and out: a form, a session, a cookie.
struct LoginPages: Sendable {
    let services: WebServices
    let frame: PageFrame
    private let limiter = LoginLimiter()

    func addRoutes(to router: Router<WebContext>) {
        router.get("/login") { request, context in
            let query = try Query(request, known: ["next", "lang"])
            return try page(request, context, next: query["next"] ?? "/inbox")
        }
        router.post("/login") { request, context in try await logIn(request, context) }
        router.post("/logout") { request, context in try await logOut(request, context) }
    }

    /// Where a person without a session is sent, and comes back from.
    static func address(returningTo request: Request) -> String {
        var allowed = CharacterSet.urlQueryAllowed
        allowed.remove(charactersIn: "&+=?#;")
        let wanted = request.head.path ?? "/inbox"
        let next = wanted.addingPercentEncoding(withAllowedCharacters: allowed) ?? "/inbox"
        return "/login?next=\(next)"
    }

    private struct LoginModel {
        var t: [String: String]
        var next: String
        var name: String
        var problem: String?
    }

    private struct LoginForm: Decodable {
        var name: String
        var password: String
        var next: String?
    }

    private func page(
        _ request: Request,
        _ context: WebContext,
        next: String,
        name: String = "",
        problem: String? = nil,
        status: HTTPResponse.Status = .ok
    ) throws -> Response {
        let language = PageFrame.language(of: request)
        let texts = Texts(language: language)
        return frame.page(
            request,
            context,
            title: texts.logIn,
            template: "login",
            model: LoginModel(t: texts.words, next: next, name: name, problem: problem),
            status: status
        )
    }

    private func logIn(_ request: Request, _ context: WebContext) async throws -> Response {
        guard let form = await PageFrame.form(LoginForm.self, request) else {
            throw invalid("body", "the form of /login")
        }
        let texts = Texts(language: PageFrame.language(of: request))
        let now = services.wallClock()
        let address = context.remoteAddress
        let next = LoginPages.isOurs(form.next) ? form.next ?? "/inbox" : "/inbox"
        func refuse(_ problem: String, _ status: HTTPResponse.Status) throws -> Response {
            try page(
                request,
                context,
                next: next,
                name: form.name,
                problem: problem,
                status: status
            )
        }
        if let wait = limiter.wait(form.name, address, now: now) {
            var response = try refuse(texts.tooManyTries, .tooManyRequests)
            response.headers[.retryAfter] = "\(wait.rawValue / 1_000 + 1)"
            return response
        }
        guard limiter.beginCheck() else {
            return try refuse(texts.problem("overloaded"), .serviceUnavailable)
        }
        let user = try await services.desk.user(named: form.name)
        let isRight = await matches(user?.password ?? .ofNobody, form.password)
        limiter.endCheck()
        guard let user, isRight, !user.isDisabled else {
            limiter.noteFailure(form.name, address, now: now)
            if let user { try await services.desk.noteFailedLogin(user, at: now) }
            return try refuse(texts.wrongLogin, .forbidden)
        }
        limiter.noteSuccess(form.name, address)
        let secret = Secret.make()
        try await services.desk.addSession(
            secret,
            user: user,
            csrf: Secret.make(),
            at: now,
            until: now + SessionCookie.life
        )
        var response = Response.redirect(to: next, type: .normal)
        response.headers[.setCookie] = SessionCookie.set(secret, for: request)
        return response
    }

    /// A path of this server, and no way to another one: `//host` and `/\host` are such ways.
    private static func isOurs(_ path: String?) -> Bool {
        guard let path, path.hasPrefix("/") else { return false }
        return !path.hasPrefix("//") && !path.contains("\\") && path.allSatisfy { !$0.isNewline }
    }

    /// scrypt blocks for tenths of a second, so it gets a thread of its own.
    private func matches(_ hash: PasswordHash, _ password: String) async -> Bool {
        guard password.count <= PasswordHash.lengths.upperBound else { return false }
        return await withCheckedContinuation { continuation in
            _ = DedicatedThread(name: "password") {
                continuation.resume(returning: hash.matches(password))
            }
        }
    }

    private struct LogoutForm: Decodable {
        var everywhere: String?
    }

    private func logOut(_ request: Request, _ context: WebContext) async throws -> Response {
        let form = await PageFrame.form(LogoutForm.self, request)
        if let secret = Cookies.value(SessionCookie.name, of: request) {
            try await services.desk.endSession(
                secret,
                everywhere: form?.everywhere != nil,
                at: services.wallClock()
            )
        }
        var response = Response.redirect(to: "/login", type: .normal)
        response.headers[.setCookie] = SessionCookie.clear(for: request)
        return response
    }
}
