import SimulatorParts
import Telemetry

/// The simulated workshop: receives cars, works on them, writes down what it found, asks later.
struct Workshop {
    struct Act: Equatable {
        /// The last part of the route: `arrive`, `to_dos/reminder/settle`.
        var step: String
        var body = ""
    }

    /// Causes of a visit: what its alerts are about.
    typealias Cause = (alert: Int64, rule: String, isCrossed: Bool)

    /// The longest that a car which does come is late.
    private static let lateness = Milliseconds.hours(6)

    let desk: Desk

    /// The next step of a visit that is due now; nil: none.
    ///
    /// `condition` is the car's ailing part, as a mechanic sees it; `ahead` how much played time may
    /// pass until the next look, so that a busy machine makes cars early and not missing.
    func act(
        on visit: VisitRecord,
        causes: [Cause],
        condition: String?,
        now: Timestamp,
        ahead: Milliseconds = Milliseconds(0)
    ) -> Act? {
        var dice = desk.dice(visit.id, 17)
        let comes = !dice.happens(0.06)
        let isLate = Milliseconds.minutes(Int64(dice.uniform(-20...10)))
        let start = visit.slot.start.time
        switch visit.state {
        case "confirmed":
            for kind in ["reminder", "offer_earlier", "find_another"] where visit.isOpen(kind) {
                return Act(step: "to_dos/\(kind)/settle")
            }
            if visit.isOpen("ask_to_keep") {
                return Act(
                    step: "cancel",
                    body: #"{"code":"condition_cleared","note":"the owner saw to it"}"#
                )
            }
            guard comes, now + ahead >= start + isLate else { return nil }
            return Act(step: "arrive")
        case "no_show":
            // One that was only late is still received on the same day.
            if comes, now < start + Workshop.lateness { return Act(step: "arrive") }
            return visit.isOpen("no_show_call") ? missed(visit, now) : nil
        case "arrived":
            if visit.isOpen("carry_over") { return Act(step: "to_dos/carry_over/settle") }
            let arrived = visit.arrivedAt?.time ?? start
            return now >= max(start, arrived + .minutes(5)) ? Act(step: "start") : nil
        case "in_service":
            let length = Double(visit.minutes) * dice.uniform(0.8...1.1)
            let begun = visit.startedAt?.time ?? start
            guard now >= begun + .minutes(Int64(length)) else { return nil }
            return Act(step: "finish", body: findings(causes, condition, Int(length)))
        case "done": return visit.isOpen("follow_up") ? followUp(&dice) : nil
        default: return nil
        }
    }

    private func missed(_ visit: VisitRecord, _ now: Timestamp) -> Act? {
        let opened = visit.toDos.last { $0.kind == "no_show_call" }?.openedAt.time ?? now
        return now >= opened + .hours(2) ? Act(step: "to_dos/no_show_call/settle") : nil
    }

    /// A service that is due needs no defect; anything else is what the car itself has.
    private func findings(_ causes: [Cause], _ condition: String?, _ minutes: Int) -> String {
        let items = causes.map { cause in
            let part = Repair.part(ofRule: cause.rule)
            let isTrue = part == condition || part == "service"
            let verdict = !isTrue ? "no_fault" : cause.isCrossed ? "confirmed" : "worn_early"
            let each = max(5, minutes / max(1, causes.count))
            return #"{"alert":\#(cause.alert),"verdict":"\#(verdict)","minutes":\#(each)}"#
        }
        return #"{"findings":[\#(items.joined(separator: ","))]}"#
    }

    private func followUp(_ dice: inout SeededGenerator) -> Act {
        let score = 7 + Int(dice.uniform(0...3.99))
        let issue = dice.happens(0.03) ? "the car was not washed" : ""
        return Act(
            step: "follow_up",
            body: #"{"thanked":true,"score":\#(score),"expectation":"as promised","#
                + #""issue":"\#(issue)","due_reminders":"none"}"#
        )
    }
}
