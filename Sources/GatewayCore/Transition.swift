package import Telemetry

/// What somebody is to the gateway.
package enum Role: String, CaseIterable, Sendable {
    case advisor
    case specialist
    case manager
    case engineer
    case admin
    case readOnly = "read_only"
    case customer
    /// The gateway itself: engine, planner, clock.
    case system
}

/// Who does something, and with which request.
package struct Actor: Sendable, Equatable {
    package var name: String
    package var role: Role
    /// The request that asked for it; empty for the gateway's own doing.
    package var request: String

    package init(_ name: String, _ role: Role = .advisor, request: String = "") {
        self.name = name
        self.role = role
        self.request = request
    }

    static let engine = Actor("engine", .system)
    static let planner = Actor("planner", .system)
    static let clock = Actor("clock", .system)
    static let system = Actor("system", .system)
}

/// A field a transition changed, as the audit words it.
package struct FieldChange: Sendable, Equatable {
    package var field: String
    package var before: String
    package var after: String

    package init(field: String, before: String, after: String) {
        self.field = field
        self.before = before
        self.after = after
    }
}

/// One step of a state machine, as the audit keeps it.
package struct Transition: Sendable, Equatable {
    package enum Machine: String, CaseIterable, Sendable {
        case alert
        case suggestion
        case appointment
        case vehicle
        case gateway
        /// Not a machine of the core's: what the desk does with a customer's data.
        case customer
        /// Who may ask: logins, and what is done to users and tokens.
        case user
        case token
        /// Programs that are told of what happens.
        case webhook
    }

    package var machine: Machine
    package var record: Int64
    /// As in the machine's table; empty for a record that begins.
    package var from: String
    package var event: String
    package var to: String
    package var actor: Actor
    package var at: Timestamp
    package var reason: String
    /// What else changed with it; of several steps in one go the last one tells.
    package var changes: [FieldChange] = []

    package init(
        machine: Machine,
        record: Int64,
        from: String,
        event: String,
        to: String,
        actor: Actor,
        at: Timestamp,
        reason: String
    ) {
        self.machine = machine
        self.record = record
        self.from = from
        self.event = event
        self.to = to
        self.actor = actor
        self.at = at
        self.reason = reason
    }
}

/// A record whose changes the audit words.
protocol AuditedRecord {
    static var machine: Transition.Machine { get }
    var recordNumber: Int64 { get }
    /// What the audit compares, always in the same order.
    var auditFields: [(name: String, value: String)] { get }
}

extension Gateway {
    mutating func record(
        _ machine: Transition.Machine,
        _ id: Int64,
        from: String,
        _ event: String,
        to: String,
        by actor: Actor,
        reason: String = ""
    ) {
        unauditedTransitions.append(unit.transitions.count)
        unit.transitions.append(
            Transition(
                machine: machine,
                record: id,
                from: from,
                event: event,
                to: to,
                actor: actor,
                at: now,
                reason: reason
            )
        )
    }

    /// Adds what changed to the last of the transitions since the record was written before.
    mutating func audit<Record: AuditedRecord>(_ after: Record, before: Record?) {
        let own = unauditedTransitions.filter {
            unit.transitions[$0].machine == Record.machine
                && unit.transitions[$0].record == after.recordNumber
        }
        guard let last = own.last else { return }
        unauditedTransitions.removeAll { own.contains($0) }
        let old = before?.auditFields.map(\.value)
        for (place, field) in after.auditFields.enumerated() {
            let known = old?[place] ?? ""
            guard known != field.value else { continue }
            unit.transitions[last].changes.append(
                FieldChange(field: field.name, before: known, after: field.value)
            )
        }
    }
}
