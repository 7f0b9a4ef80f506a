import GatewayCore
import HTTPTypes
import Hummingbird

/// Turns every error into `application/problem+json`, so that nothing leaves without our code.
struct ProblemResponses: RouterMiddleware {
    /// Every route there is, to tell a wrong method from a wrong path.
    let routes: [Route]

    @concurrent func handle(
        _ request: Request,
        context: WebContext,
        next: @concurrent (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return try answer(to: error, request, context)
        }
    }

    private func answer(
        to error: any Error,
        _ request: Request,
        _ context: WebContext
    ) throws -> Response {
        guard let known = error as? HTTPError else {
            return try APIProblem.response(to: error, request, context)
        }
        let methods = Route.methods(of: request.uri.path, in: routes)
        if known.status == .notFound, !methods.isEmpty {
            var problem = APIProblem(
                .methodNotAllowed,
                code: "method_not_allowed",
                detail: "This path takes \(methods.joined(separator: ", "))."
            )
            problem.headers[.allow] = methods.joined(separator: ", ")
            return try problem.response(from: request, context: context)
        }
        return try APIProblem.response(to: known, request, context)
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
        return Set(matching.map(\.method)).sorted()
    }
}
