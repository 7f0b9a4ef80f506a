package import Access
import GRDB
package import GatewayCore
import Telemetry

/// The desk's rows in the history: who came in, who looked, who asked, what changed hands.
enum DeskAudit {
    static func add(
        _ event: String,
        to machine: Transition.Machine,
        _ record: Int64,
        by actor: Actor,
        at now: Timestamp,
        reason: String = "",
        _ database: Database
    ) throws {
        try AuditChain.append(
            [
                Transition(
                    machine: machine,
                    record: record,
                    from: "",
                    event: event,
                    to: "",
                    actor: actor,
                    at: now,
                    reason: reason
                )
            ],
            database
        )
    }
}

extension Actor {
    /// Who asks, as the history keeps it.
    ///
    /// A token stands for a program somebody trusts with its scopes, and without logins whoever
    /// reaches the API may do everything: both act as the manager.
    package init(_ caller: Caller, request: String = "") {
        var role = GatewayCore.Role.manager
        if case .user = caller.kind, let name = caller.role?.rawValue {
            role = GatewayCore.Role(rawValue: name) ?? .readOnly
        }
        self.init(caller.name, role, request: request)
    }
}
