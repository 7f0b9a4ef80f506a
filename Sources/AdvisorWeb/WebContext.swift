import Access
import GatewayCore
import Hummingbird
import Store

/// What goes along with a request: the framework's part, and who asks.
struct WebContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Where the request comes from, as the socket says it.
    let remoteAddress: String
    /// Nobody, until `AccessGate` has found out.
    var caller = Caller.nobody
    /// What a form of this person's session carries; nil without a session.
    var csrf: String?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress?.ipAddress ?? ""
    }

    /// Who asks, as the history keeps it.
    var actor: Actor { Actor(caller, request: id) }

    /// Says "not found" of what lies out of the caller's scope.
    func require(station code: String?) throws {
        guard caller.sees(station: code ?? "") else { throw APIProblem(Problem(.notFound)) }
    }

    /// Refuses what the caller may not do.
    func require(_ capability: Capability) throws {
        guard caller.can(capability) else {
            throw APIProblem(
                .forbidden,
                code: "forbidden",
                detail: "This takes the right '\(capability.rawValue)', which you do not have."
            )
        }
    }
}
