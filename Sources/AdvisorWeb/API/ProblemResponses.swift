import GatewayCore
import HTTPTypes
import Hummingbird

/// Turns every error into `application/problem+json`, so that nothing leaves without our code; a
/// wrong method is one, whoever asks.
struct ProblemResponses: RouterMiddleware {
    /// Every route there is, to tell a wrong method from a wrong path.
    let routes: [Route]

    @concurrent func handle(
        _ request: Request,
        context: WebContext,
        next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        do {
            try checkMethod(of: request)
            return try await next(request, context)
        } catch {
            return try APIProblem.response(to: error, request, context)
        }
    }

    /// A path that is there but does not take the method says which it takes (RFC 9110 §15.5.6).
    private func checkMethod(of request: Request) throws {
        let methods = Route.methods(of: request.uri.path, in: routes)
        let method = request.method == .head ? HTTPRequest.Method.get : request.method
        guard !methods.isEmpty, !methods.contains(method.rawValue) else { return }
        let allowed = methods.joined(separator: ", ")
        var problem = APIProblem(
            .methodNotAllowed,
            code: "method_not_allowed",
            detail: "This path takes \(allowed)."
        )
        problem.headers[.allow] = allowed
        throw problem
    }
}

/// A method and a path with its captures: `GET /api/v1/suggestions/{id}`.
package struct Route: Hashable, Sendable {
    package let method: String
    package let segments: [String]

    /// The path as OpenAPI writes it.
    package var path: String { "/" + segments.joined(separator: "/") }

    init(method: String, path: String) {
        self.method = method
        segments = path.split(separator: "/").map {
            $0.hasPrefix(":") ? "{\($0.dropFirst())}" : String($0)
        }
    }

    /// The methods a path takes; none when no route has it.
    static func methods(of path: String, in routes: [Route]) -> [String] {
        let asked = path.split(separator: "/").map(String.init)
        let matching = routes.filter { route in
            route.segments.count == asked.count
                && zip(route.segments, asked).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
        // As the router does: a path written out goes before one with captures.
        let captures = { (route: Route) in route.segments.count { $0.hasPrefix("{") } }
        let fewest = matching.map(captures).min()
        return Set(matching.filter { captures($0) == fewest }.map(\.method)).sorted()
    }
}
