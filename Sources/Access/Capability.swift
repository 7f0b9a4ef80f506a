/// What somebody may do; a role is a set of these, and so are the scopes of a token.
package enum Capability: String, CaseIterable, Sendable {
    /// Suggestions, alerts, vehicles and customers, personal data masked.
    case see
    /// Book, decline, and everything else on a suggestion's way to a visit.
    case decide
    /// Silence an alert for a while, or say that its data are wrong.
    case mute
    /// Close a station, a bay or a technician for a while, and open it again.
    case closeStation = "close_station"
    /// What was rejected, with its bytes.
    case feed
    /// Take rejected packets in again, or discard them.
    case mendFeed = "mend_feed"
    /// Put changed rules in force.
    case changeRules = "change_rules"
    /// Write customers, their consents, due items and history.
    case editCustomers = "edit_customers"
    /// Read one customer's personal data in full; every time is put on record.
    case unmask
    /// Ask that a customer be erased.
    case requestErasure = "request_erasure"
    /// Read who did what, when and why.
    case audit
    /// Say which programs are told of what happens.
    case webhooks
    /// Export one customer, and confirm an erasure somebody else has asked for.
    case privacy
}

/// A user's job at the dealer, which decides the capabilities.
package enum Role: String, CaseIterable, Sendable {
    case advisor
    case specialist
    case manager
    case engineer
    case admin
    case readOnly = "read_only"

    package var capabilities: Set<Capability> {
        switch self {
        case .advisor: [.see, .decide, .mute, .editCustomers, .unmask]
        case .specialist: [.see, .decide, .mute, .editCustomers, .unmask, .requestErasure]
        case .manager:
            [.see, .decide, .mute, .closeStation, .editCustomers, .unmask, .requestErasure, .audit]
        case .engineer: [.see, .changeRules, .mute, .feed, .mendFeed]
        case .admin:
            [
                .see, .closeStation, .feed, .mendFeed, .editCustomers, .requestErasure, .privacy,
                .audit, .webhooks,
            ]
        case .readOnly: [.see, .feed]
        }
    }
}
