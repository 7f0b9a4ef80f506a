import Access
import Hummingbird

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
