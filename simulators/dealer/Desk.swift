import SimulatorParts
import Telemetry

/// The simulated advisor: calls owners in the order of the list, and writes down what they say.
///
/// The same seed, suggestion and attempt give the same answer.
struct Desk {
    enum Act: Equatable {
        /// A call, with the body of `attempts`.
        case call(String)
        case book(String)
        case decline(String)
        /// Adds the work to the visit that is booked.
        case merge
    }

    private static let opensAt = 9 * 60
    private static let closesAt = 18 * 60
    /// Suggestions this young at the present are left to the person at the page, unless the
    /// contact is overdue by then.
    private static let leftOpen = Milliseconds.hours(60)
    /// What is left then has at least so long until the visit is due.
    private static let leftTime = Milliseconds.days(Int64(2))
    /// How long a car that must stop waits for the person at the page.
    private static let patience = Milliseconds.minutes(4)
    /// Calls in vain after which the suggestion ends.
    private static let attemptsMax = 4

    let seed: UInt64
    /// From then on the person at the page does the calling.
    let present: Timestamp

    /// What to do about a suggestion now; nil: nothing yet.
    func act(on suggestion: SuggestionRecord, now: Timestamp, zone: ZoneOffsets) -> Act? {
        guard suggestion.state == "proposed" else { return nil }
        let created = suggestion.createdAt.time
        var dice = dice(suggestion.id, suggestion.attempts)
        if suggestion.class == "P0" {
            let wait = now < present ? Milliseconds.minutes(5) : Desk.patience
            guard now >= created + wait else { return nil }
            return .call(accepted(suggestion, zone.civil(now).minute, &dice))
        }
        guard now < present, isOpen(zone.civil(now)) else { return nil }
        let isYoung = created > present - Desk.leftOpen
        let isPressing =
            suggestion.contactDue.time <= present
            || suggestion.latestBy.time <= present + Desk.leftTime
        guard !isYoung || isPressing else { return nil }
        guard now >= created + .minutes(Int64(dice.uniform(10...150))) else { return nil }
        if suggestion.appointment != nil { return .merge }
        if suggestion.attempts >= Desk.attemptsMax {
            return .decline(#"{"reason":"unreachable_final"}"#)
        }
        return answer(to: suggestion, now, zone, &dice)
    }

    private func isOpen(_ local: CivilTime) -> Bool {
        local.date.weekday < 7 && (Desk.opensAt..<Desk.closesAt).contains(local.minute)
    }

    func dice(_ record: Int64, _ turn: Int) -> SeededGenerator {
        SeededGenerator(
            seed: seed &* 0x9e37_79b9 &+ UInt64(bitPattern: record) &* 64 &+ UInt64(turn)
        )
    }

    private func answer(
        to suggestion: SuggestionRecord,
        _ now: Timestamp,
        _ zone: ZoneOffsets,
        _ dice: inout SeededGenerator
    ) -> Act {
        switch dice.uniform(0...1) {
        case ..<0.70: .call(accepted(suggestion, zone.civil(now).minute, &dice))
        case ..<0.84: .call(#"{"outcome":"unreachable"}"#)
        case ..<0.90:
            .call(#"{"outcome":"inconvenient","call_back_at":"\#(now + .hours(20))"}"#)
        case ..<0.94: .call(#"{"outcome":"not_interested","note":"wants to wait"}"#)
        case ..<0.97: .call(#"{"outcome":"done_elsewhere","note":"had it done on a journey"}"#)
        case ..<0.99: .call(#"{"outcome":"price_or_authority","note":"asks at home"}"#)
        default:
            .call(#"{"outcome":"complaint_last_booking","note":"waited an hour last time"}"#)
        }
    }

    /// At night no owner is called, but a driver on the roadside calls the dealer.
    private func accepted(
        _ suggestion: SuggestionRecord,
        _ minute: Int,
        _ dice: inout SeededGenerator
    ) -> String {
        let channel = (9 * 60..<20 * 60).contains(minute) ? "phone" : "incoming"
        let labels = suggestion.offers.compactMap(\.offer)
        let isFirst = suggestion.class == "P0" || dice.happens(0.75)
        let offer = isFirst ? labels.first : labels.last
        let chosen = offer.map { #","offer":"\#($0)""# } ?? ""
        return #"{"outcome":"accepted","channel":"\#(channel)"\#(chosen)}"#
    }
}
