package import Telemetry

/// How a customer was spoken to, or was not.
package enum ContactChannel: String, CaseIterable, Sendable {
    case phone
    case sms
    case app
    /// The customer turned to us: no rule on contacts stands in the way.
    case incoming
}

/// What came of an attempt.
package enum ContactOutcome: String, CaseIterable, Sendable {
    case accepted
    case doneElsewhere = "done_elsewhere"
    case notInterested = "not_interested"
    case complaintLastBooking = "complaint_last_booking"
    case inconvenient
    case unreachable
    case otherTime = "other_time"
    case priceOrAuthority = "price_or_authority"
    case soldOrWrongPerson = "sold_or_wrong_person"
    case doNotContact = "do_not_contact"
    /// A message with the offer left, and an answer is awaited.
    case offerSent = "offer_sent"

    /// The reason with which it declines the suggestion, where it does.
    package var declineReason: DeclineReason? {
        switch self {
        case .doneElsewhere: .doneElsewhere
        case .notInterested: .notInterested
        case .soldOrWrongPerson: .soldOrWrongPerson
        case .doNotContact: .doNotContact
        case .accepted, .complaintLastBooking, .inconvenient, .unreachable, .otherTime,
            .priceOrAuthority, .offerSent:
            nil
        }
    }
}

/// An attempt to reach a customer, and what came of it.
package struct ContactAttempt: Sendable, Equatable {
    package var channel: ContactChannel
    package var outcome: ContactOutcome
    /// When the customer wants to be called, or will have answered.
    package var callBackAt: Timestamp?
    /// The slot that was accepted; nil: the held one.
    package var offer: OfferLabel?
    package var odometerKilometres: Int?
    package var symptoms: String
    package var note: String
    /// Learned in the talk.
    package var preference: VisitPreference?

    package init(
        channel: ContactChannel,
        outcome: ContactOutcome,
        callBackAt: Timestamp? = nil,
        offer: OfferLabel? = nil,
        odometerKilometres: Int? = nil,
        symptoms: String = "",
        note: String = "",
        preference: VisitPreference? = nil
    ) {
        self.channel = channel
        self.outcome = outcome
        self.callBackAt = callBackAt
        self.offer = offer
        self.odometerKilometres = odometerKilometres
        self.symptoms = symptoms
        self.note = note
        self.preference = preference
    }
}

/// What is remembered of the contacts with a vehicle's owner.
package struct ContactHistory: Sendable, Equatable {
    package var lastAt: Timestamp?
    package var lastSuggestion: SuggestionID?
    package var isForbidden = false
    package var preference: VisitPreference?

    package init() {}
}

/// A complaint's number, given out by the core.
package struct ComplaintID: Hashable, Comparable, Sendable {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static func < (left: ComplaintID, right: ComplaintID) -> Bool {
        left.rawValue < right.rawValue
    }
}

/// What a customer is not content with; until it is handled nobody offers more.
package struct Complaint: Sendable, Equatable {
    package var id: ComplaintID
    package var vehicle: VehicleID
    package var suggestion: SuggestionID?
    package var appointment: AppointmentID?
    package var text: String
    package var openedAt: Timestamp
    package var openedBy: String
    package var handledAt: Timestamp?
    package var handledBy: String?
    package var resolution: String

    package init(
        id: ComplaintID,
        vehicle: VehicleID,
        suggestion: SuggestionID?,
        appointment: AppointmentID?,
        text: String,
        openedAt: Timestamp,
        openedBy: String,
        handledAt: Timestamp?,
        handledBy: String?,
        resolution: String
    ) {
        self.id = id
        self.vehicle = vehicle
        self.suggestion = suggestion
        self.appointment = appointment
        self.text = text
        self.openedAt = openedAt
        self.openedBy = openedBy
        self.handledAt = handledAt
        self.handledBy = handledBy
        self.resolution = resolution
    }
}

/// Why a customer must not be contacted now.
package struct ContactBlock: Sendable, Equatable {
    package enum Reason: String, CaseIterable, Sendable {
        /// Before 09:00 or after 20:00 where the station is, or outside the customer's own hours.
        case hours
        /// The owner has not agreed to notices about the car, or has taken that back.
        case consent
        /// Contacted about something else a short while ago.
        case frequency
        /// A complaint is open.
        case complaint
        /// It is too early for the work to be of use.
        case notUsefulYet = "not_useful_yet"
        /// The customer asked for it.
        case doNotContact = "do_not_contact"
    }

    package var reason: Reason
    /// When the reason ends, where that is known.
    package var until: Timestamp?

    package init(reason: Reason, until: Timestamp?) {
        self.reason = reason
        self.until = until
    }
}

/// The rules on when a customer may be contacted.
package enum ContactRules {
    /// A redial within this time is the same attempt.
    package static let redialWindow = Milliseconds.hours(2)
    /// Local minutes after midnight between which people are called.
    package static let hours = 9 * 60..<20 * 60
    /// The price or the family may be thought about for so long.
    package static let thinkingMax = Milliseconds.days(Int64(3))

    /// What stands in the way of contacting the customer now, if anything does.
    ///
    /// `companionContact` is the last contact about one of the owner's other cars; within the same
    /// call several cars may be spoken of.
    package static func block(
        _ suggestion: Suggestion,
        history: ContactHistory,
        facts: VehicleFacts,
        companionContact: Timestamp?,
        hasComplaint: Bool,
        zone: ZoneOffsets,
        now: Timestamp
    ) -> ContactBlock? {
        let urgency = suggestion.need.urgency
        if urgency != .p0 {
            if !facts.allowsService { return ContactBlock(reason: .consent, until: nil) }
            if history.isForbidden { return ContactBlock(reason: .doNotContact, until: nil) }
            if hasComplaint, suggestion.handling.queue == .advisor {
                return ContactBlock(reason: .complaint, until: nil)
            }
            if suggestion.need.earliestUseful > now {
                return ContactBlock(
                    reason: .notUsefulYet,
                    until: suggestion.need.earliestUseful
                )
            }
            let own = history.lastSuggestion == suggestion.id ? nil : history.lastAt
            let other = companionContact.flatMap { now < $0 + redialWindow ? nil : $0 }
            if let last = [own, other].compactMap({ $0 }).max(),
                now < last + urgency.contactPause
            {
                return ContactBlock(reason: .frequency, until: last + urgency.contactPause)
            }
        }
        let local = zone.civil(now)
        let open = urgency == .p0 ? hours : hours.clamped(to: facts.contactMinutes ?? hours)
        // Hours that never meet the house's are a wish nobody can keep.
        let allowed = open.isEmpty ? hours : open
        if !allowed.contains(local.minute) {
            return ContactBlock(reason: .hours, until: next(allowed.lowerBound, local, zone))
        }
        return nil
    }

    /// The next time the local clock shows `minute`.
    private static func next(
        _ minute: Int,
        _ local: CivilTime,
        _ zone: ZoneOffsets
    ) -> Timestamp {
        let day = local.date.daysSinceEpoch + (local.minute < minute ? 0 : 1)
        return zone.instant(of: CivilTime(date: CivilDate(daysSinceEpoch: day), minute: minute))
    }

    /// The next try after nobody answered: the other half of a working day, within hours.
    package static func retry(after now: Timestamp, zone: ZoneOffsets) -> Timestamp {
        let local = zone.civil(now)
        let isMorning = local.minute < 13 * 60
        let minute = isMorning ? 15 * 60 : 10 * 60
        let day = local.date.daysSinceEpoch + (isMorning ? 0 : 1)
        let next = zone.instant(
            of: CivilTime(date: CivilDate(daysSinceEpoch: day), minute: minute)
        )
        return max(next, now + redialWindow)
    }
}
