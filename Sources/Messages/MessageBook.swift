package import Customers

/// Every text the gateway may send, and what each is for.
package struct MessageBook: Sendable, Equatable {
    /// The texts of a rule's alerts: before the limit is met, after, and when it is lost fast.
    package struct AlertTexts: Sendable, Equatable {
        package var near: String
        package var crossed: String
        package var fast: String?

        package init(near: String, crossed: String, fast: String? = nil) {
            self.near = near
            self.crossed = crossed
            self.fast = fast
        }
    }

    package var templates: [String: [CustomerLanguage: MessageTemplate]]
    /// By rule; those that are not named have the texts of `others`.
    package var alerts: [String: AlertTexts]
    package var others: AlertTexts
    /// A slot that is held for the customer to take.
    package var offer: String
    package var booked: String

    package init(
        templates: [String: [CustomerLanguage: MessageTemplate]],
        alerts: [String: AlertTexts],
        others: AlertTexts,
        offer: String,
        booked: String
    ) {
        self.templates = templates
        self.alerts = alerts
        self.others = others
        self.offer = offer
        self.booked = booked
    }
}

/// Where a message stands.
package enum MessageState: String, CaseIterable, Sendable {
    case queued
    case sent
    case delivered
    case failed
    case suppressed

    /// What may become of it.
    package var next: Set<MessageState> {
        switch self {
        case .queued: [.sent, .suppressed, .failed]
        case .sent: [.delivered, .failed]
        case .delivered, .failed, .suppressed: []
        }
    }
}

/// What a message is about.
package enum MessageKind: String, CaseIterable, Sendable {
    case alert
    /// An alert is over: what was kept for the vehicle is taken back.
    case clear
    case offer
    case booked
}

/// Why a message is not sent; shown, never hidden.
package enum SuppressionReason: String, CaseIterable, Sendable {
    case noOwner = "no_owner"
    case noConsent = "no_consent"
    /// The customer wants to be called; the advisor does that.
    case byPhone = "by_phone"
    case missingPlaceholder = "missing_placeholder"
    /// Another message went to the vehicle within the week.
    case tooSoon = "too_soon"
    /// The vehicle has another owner now.
    case ownerChanged = "owner_changed"
    /// What it said is no longer so.
    case outdated
}
