import Access
import CoreLoop
import GatewayCore
import Hummingbird
import Rules
import Telemetry

/// `/api/v1/rules`: what is watched, and rules read anew without a restart.
struct RulesAPI {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        let group = router.group("/api/v1/rules")
        group.get("") { request, _ in
            _ = try Query(request, known: [])
            return try listResponse(services.rules().map(RuleDTO.init), next: nil, request)
        }
        group.post("/reload") { request, context in try await reload(request, context) }
    }

    private struct RuleDTO: Encodable {
        var id: String
        var version: Int
        var title: AlertDTO.Sentence
        var consequence: String
        var components: [String]
        var isAddOn: Bool

        enum CodingKeys: String, CodingKey {
            case id, version, title, consequence, components
            case isAddOn = "is_add_on"
        }

        init(_ rule: Rule) {
            id = rule.id
            version = rule.version
            title = AlertDTO.Sentence(zh: rule.title.zh, en: rule.title.en)
            consequence = rule.consequence.rawValue
            components = rule.components.map(\.name)
            isAddOn = rule.isAddOn
        }
    }

    private struct ReloadDTO: Encodable {
        var rules: Int
        /// Alerts that ended because no rule watches their component any more.
        var superseded: Int
    }

    private func reload(_ request: Request, _ context: WebContext) async throws -> Response {
        _ = try Query(request, known: [])
        do {
            guard
                case .reloaded(let rules, let superseded) = try await services.reload(context.actor)
            else { throw Problem(.notFound) }
            return try jsonResponse(ReloadDTO(rules: rules, superseded: superseded))
        } catch let problem as Problem {
            throw APIProblem(problem)
        } catch {
            // A file's complaint has its line, and what was expected there.
            throw APIProblem(
                .unprocessableContent,
                code: "rules_invalid",
                detail: "The rules in force stay: \(error)"
            )
        }
    }
}
