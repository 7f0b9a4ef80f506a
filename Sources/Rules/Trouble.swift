/// Something of a vehicle that cannot be judged: a matter for an engineer, never for the owner.
package enum TroubleKind: UInt8, CaseIterable, Sendable {
    /// Nothing has been heard for too long.
    case silent
    /// Numbers of packets are missing between others.
    case missing
    /// All its readings are late, or from the future: its clock is wrong.
    case clock
    /// All its readings are rejected.
    case allRejected
    /// All its readings say that there is no value.
    case noReading
    /// Values changed as no component changes: another unit or scale, a sensor that says nothing
    /// of the component.
    case dataFault
    /// A value that stands still while what it depends on moves.
    case stuck
    /// An alert that comes and goes.
    case flapping
    /// Readings arrive, and a rule can use none of them.
    case notJudged

    /// As in files, metrics and answers.
    package var name: String {
        switch self {
        case .silent: "silent"
        case .missing: "missing"
        case .clock: "clock"
        case .allRejected: "all_rejected"
        case .noReading: "no_reading"
        case .dataFault: "data_fault"
        case .stuck: "stuck"
        case .flapping: "flapping"
        case .notJudged: "not_judged"
        }
    }
}

/// Why a reading was not used by a rule.
package enum Unused: UInt8, Sendable {
    /// The vehicle was not doing what the rule asks for.
    case gate
    /// The value lies outside what the rule can use.
    case unusable
    /// What else the rule asks for was not told, such as the air's temperature at that time.
    case contextMissing
    /// Another signal's value rules it out.
    case ruledOut
    /// It came too late to be used.
    case late
}
