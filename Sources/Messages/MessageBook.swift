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
    package var visits: [VisitNotice: String]
    /// Of dates that are only mentioned.
    package var due: [DueKind: String]
    /// What is said in a call, in this order.
    package var script: [ScriptStep]

    package init(
        templates: [String: [CustomerLanguage: MessageTemplate]],
        alerts: [String: AlertTexts],
        others: AlertTexts,
        offer: String,
        visits: [VisitNotice: String],
        due: [DueKind: String],
        script: [ScriptStep]
    ) {
        self.templates = templates
        self.alerts = alerts
        self.others = others
        self.offer = offer
        self.visits = visits
        self.due = due
        self.script = script
    }

    /// Every template something is said with.
    package var used: Set<String> {
        let texts = alerts.values + [others]
        return Set(texts.flatMap { [$0.near, $0.crossed, $0.fast ?? $0.crossed] })
            .union([offer]).union(visits.values).union(due.values)
    }
}

/// A step of a call.
package struct ScriptStep: Sendable, Equatable {
    package var name: String
    package var texts: [CustomerLanguage: MessageTemplate]

    package init(name: String, texts: [CustomerLanguage: MessageTemplate]) {
        self.name = name
        self.texts = texts
    }
}

/// What a customer is told of a visit.
package enum VisitNotice: String, CaseIterable, Sendable {
    case booked
    case moved
    case cancelled
    /// The day before.
    case reminder
    /// A quarter of an hour late.
    case careCall = "care_call"
    /// Every cause has recovered.
    case askToKeep = "ask_to_keep"
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
    case cancelled
    case reminder
    case careCall = "care_call"
    case askToKeep = "ask_to_keep"
    /// A date that comes near, and no visit with it.
    case due
}

extension VisitNotice {
    /// A visit that was moved is booked again.
    package var kind: MessageKind {
        switch self {
        case .booked, .moved: .booked
        case .cancelled: .cancelled
        case .reminder: .reminder
        case .careCall: .careCall
        case .askToKeep: .askToKeep
        }
    }
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
