/// What somebody may do; a role is a set of these, and so are the scopes of a token.
package enum Capability: String, CaseIterable, Sendable {
    /// Suggestions, alerts, vehicles and customers, personal data masked.
    case see
    /// Book, decline, and everything else on a suggestion's way to a visit.
    case decide
    /// What was rejected, with its bytes.
    case feed
    /// Take rejected packets in again, or discard them.
    case mendFeed = "mend_feed"
    /// Write customers, their consents, due items and history.
    case editCustomers = "edit_customers"
    /// Read one customer's personal data in full; every time is put on record.
    case unmask
    /// Ask that a customer be erased.
    case requestErasure = "request_erasure"
    /// Export one customer, and confirm an erasure somebody else has asked for.
    case privacy
}

/// Who a person is to the gateway (`advisor.md` §1).
package enum Role: String, CaseIterable, Sendable {
    case advisor
    case specialist
    case manager
    case engineer
    case admin
    case readOnly = "read_only"

    package var capabilities: Set<Capability> {
        switch self {
        case .advisor: [.see, .decide, .editCustomers, .unmask]
        case .specialist, .manager: [.see, .decide, .editCustomers, .unmask, .requestErasure]
        case .engineer: [.see, .feed, .mendFeed]
        case .admin: [.see, .feed, .mendFeed, .editCustomers, .requestErasure, .privacy]
        case .readOnly: [.see, .feed]
        }
    }
}
