import HTTPTypes
import Hummingbird

/// Headers of every answer: no foreign script, no framing, no guessing of types, nothing kept by
/// caches unless the handler says so.
struct SecurityHeaders<Context: RequestContext>: RouterMiddleware {
    @concurrent func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.contentSecurityPolicy] =
            "default-src 'self'; img-src 'self' data:; form-action 'self'; "
            + "frame-ancestors 'none'; base-uri 'none'"
        response.headers[.xContentTypeOptions] = "nosniff"
        if response.headers[.cacheControl] == nil { response.headers[.cacheControl] = "no-store" }
        if let name = HTTPField.Name("Referrer-Policy") { response.headers[name] = "same-origin" }
        return response
    }
}

/// Refuses what another web site makes a browser send: while nobody needs to log in, the browser's
/// own word about the origin is the only guard of a page on loopback.
struct SameOrigin<Context: RequestContext>: RouterMiddleware {
    let isLoopback: Bool

    @concurrent func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let host = request.head.authority ?? ""
        // A name that resolves to loopback (DNS rebinding) is not one of ours.
        if isLoopback, !host.isEmpty, !WebServer.isLoopback(SameOrigin.name(of: host)) {
            throw APIProblem(.forbidden, code: "foreign_host", detail: "This host is not served.")
        }
        let isSafe = request.method == .get || request.method == .head
        if !isSafe, let origin = request.headers[.origin], !origin.hasSuffix("//\(host)") {
            throw APIProblem(
                .forbidden,
                code: "foreign_origin",
                detail: "Another site sent this request."
            )
        }
        return try await next(request, context)
    }

    /// `127.0.0.1:8080` → `127.0.0.1`, `[::1]:8080` → `::1`.
    private static func name(of host: String) -> String {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            return String(host[host.index(after: host.startIndex)..<end])
        }
        return String(host.prefix { $0 != ":" })
    }
}
