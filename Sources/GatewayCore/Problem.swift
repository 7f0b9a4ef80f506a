package import Workshop

/// Why a command was refused.
///
/// The codes are API: additions only.
package enum ProblemCode: String, CaseIterable, Sendable {
    /// No such suggestion. Remedy: reload the list.
    case notFound = "not_found"
    /// Somebody or something changed it meanwhile. Remedy: look again, then repeat.
    case staleVersion = "stale_version"
    /// It can no longer be decided. Remedy: none is needed; it is settled.
    case illegalTransition = "illegal_transition"
    /// The slot was taken meanwhile. Remedy: choose another of the offers.
    case slotTaken = "slot_taken"
    /// No slot is held and none was chosen.
    case noSlot = "no_slot"
    /// The hold is over, or was used. Remedy: take another.
    case holdExpired = "hold_expired"
    /// One person keeps as many slots free as one may. Remedy: give one up.
    case tooManyHolds = "too_many_holds"
    /// A colleague has the lease. Remedy: ask them, or wait until it ends.
    case leasedByOther = "leased_by_other"
    /// The role may not do this.
    case roleMissing = "role_missing"
    /// A rule on contacts stands in the way; the reason is in `block`.
    case contactBlocked = "contact_blocked"
    /// A time that is past, too far ahead, or missing where the outcome needs one.
    case invalidTime = "invalid_time"
    /// The workshop is closed then.
    case outsideHours = "outside_hours"
    /// The parts are not there by then.
    case partsNotReady = "parts_not_ready"
    /// A slot outside the window needs a reason.
    case reasonMissing = "reason_missing"
    /// Final only after two attempts of the specialist's own and a message.
    case attemptsMissing = "attempts_missing"
    /// Ten minutes are over, or it cannot be taken back.
    case undoTooLate = "undo_too_late"
    /// The vehicle has a live suggestion meanwhile.
    case liveSuggestionExists = "live_suggestion_exists"
    /// The vehicle has a confirmed visit already. Remedy: move or amend it.
    case visitExists = "visit_exists"
    /// Every alert of the visit needs a finding.
    case findingMissing = "finding_missing"
    /// Thanks, satisfaction, due reminders: none may be left out.
    case followUpIncomplete = "follow_up_incomplete"
    /// A vehicle, station, bay, technician or job of that name is not known.
    case unknownName = "unknown_name"
    /// The core has too much to do. Remedy: repeat in a moment.
    case overloaded
    /// The store cannot write; nothing was changed. Remedy: see /healthz.
    case storeUnavailable = "store_unavailable"
}

/// A refused command.
package struct Problem: Error, Sendable, Equatable {
    package var code: ProblemCode
    /// The version now in force, when the command named an older one.
    package var currentVersion: Int?
    /// Which rule forbids a contact, and until when.
    package var block: ContactBlock?

    package init(
        _ code: ProblemCode,
        currentVersion: Int? = nil,
        block: ContactBlock? = nil
    ) {
        self.code = code
        self.currentVersion = currentVersion
        self.block = block
    }
}
