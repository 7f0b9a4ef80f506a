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

    package init(_ code: ProblemCode, currentVersion: Int? = nil) {
        self.code = code
        self.currentVersion = currentVersion
    }
}
