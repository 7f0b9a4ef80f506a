import Foundation
import GatewayCore
import Support
import Testing
import Workshop

/// One step as a line: machine, from, event, to.
private struct Step: Hashable, CustomStringConvertible {
    var machine: String
    var from: String
    var event: String
    var to: String

    var description: String { "\(machine) \(from) \(event) \(to)" }
}

private func steps<State: MachineState>(
    _ machine: String,
    _ type: State.Type,
    outcome: (State, State.Event) -> String? = { _, _ in nil }
) -> Set<Step> {
    var found: Set<Step> = []
    for event in State.Event.allCases {
        for state in [nil] + State.allCases.map(Optional.some) {
            guard let target = State.target(from: state, on: event) else { continue }
            found.insert(
                Step(
                    machine: machine,
                    from: state?.rawValue ?? "-",
                    event: event.rawValue,
                    to: outcome(target, event) ?? target.rawValue
                )
            )
        }
    }
    return found
}

/// Every (state, event) pair that our machines take; whatever is not in it is refused.
private func allSteps() -> Set<Step> {
    steps("alert", AlertState.self) { target, event in
        target == .closed ? event.outcome.map { "closed:\($0.rawValue)" } : nil
    }
    .union(steps("suggestion", SuggestionState.self))
    .union(steps("appointment", AppointmentState.self))
}

/// Lines of `machine from,from event to`; `=` keeps the state.
private func parse(_ lines: [(String, String, String, String)]) -> Set<Step> {
    Set(
        lines.flatMap { machine, from, event, to in
            from.split(separator: ",").map {
                Step(
                    machine: machine,
                    from: String($0),
                    event: event,
                    to: to == "=" ? String($0) : to
                )
            }
        }
    )
}

private let table = """
    alert - near_threshold watching
    alert watching held open
    alert watching vanished closed:not_confirmed
    alert watching,open no_data closed:no_data
    alert open planned planned
    alert planned unplanned open
    alert open,planned mute muted
    alert planned declined muted
    alert muted unmute open
    alert open,planned,muted cleared recovered
    alert recovered fires_again open
    alert recovered stayed_ok closed:recovered
    alert open,planned,muted serviced serviced
    alert serviced healthy closed:fixed
    alert serviced no_fault_found closed:false_alarm
    alert serviced still_firing open
    alert serviced unverifiable closed:unverified
    alert open,planned,muted,recovered bad_data closed:data_fault
    alert watching,open,planned,muted,recovered,serviced vehicle_left closed:vehicle_left
    alert watching,open,planned,muted superseded closed:superseded
    suggestion - plan proposed
    suggestion proposed,waiting replan =
    suggestion proposed claim claimed
    suggestion claimed release proposed
    suggestion claimed accepted booked
    suggestion waiting customer_accepts booked
    suggestion claimed wait waiting
    suggestion waiting due proposed
    suggestion claimed unreachable_2 proposed
    suggestion claimed escalate proposed
    suggestion proposed,waiting sla_breach =
    suggestion claimed decline declined
    suggestion declined undo claimed
    suggestion proposed,waiting basis_gone withdrawn
    suggestion claimed basis_gone_ack withdrawn
    suggestion proposed,waiting merge merged
    suggestion proposed,waiting lapse expired
    appointment - book confirmed
    appointment confirmed move confirmed
    appointment confirmed arrive arrived
    appointment confirmed miss no_show
    appointment no_show arrive_late arrived
    appointment no_show rebook confirmed
    appointment confirmed,arrived cancel cancelled
    appointment arrived start in_service
    appointment in_service finish done
    appointment done rework in_service
    appointment done settled closed
    appointment done settle_late closed
    appointment no_show give_up closed
    appointment in_service abort cancelled
    """

struct MachineTests {
    @Test func theMachinesTakeTheListedStepsAndRefuseEveryOther() {
        let listed = parse(
            table.split(separator: "\n").map { line in
                let words = line.split(separator: " ").map(String.init)
                return (words[0], words[1], words[2], words[3])
            }
        )
        let taken = allSteps()
        #expect(taken.subtracting(listed).isEmpty)
        #expect(listed.subtracting(taken).isEmpty)
    }

    private static let providedTable = Repository.shared("design/states.tsv")

    @Test(.enabled(if: providedTable != nil, "../shared is not here"))
    func theProvidedTableIsTheSame() throws {
        let url = try #require(MachineTests.providedTable)
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n").dropFirst()
        let provided = parse(
            lines.map { line in
                let columns = line.split(separator: "\t", omittingEmptySubsequences: false)
                    .map(String.init)
                return (columns[0], columns[2], columns[3], columns[4])
            }
        )
        #expect(provided.count > 60)
        #expect(allSteps() == provided)
    }

    /// Who may move a record without anybody asking: clock, engine, planner, system.
    private static let timed: [String: Set<String>] = [
        "alert": [
            "no_data", "unmute", "stayed_ok", "still_firing", "unverifiable", "planned",
            "unplanned", "vanished", "healthy",
        ],
        "suggestion": ["release", "due", "lapse"],
        "appointment": ["miss", "settle_late", "give_up", "cancel"],
    ]

    @Test func everyLiveStateHasAnExitThatNobodyMustThinkOf() {
        func rotting<State: MachineState>(
            _ machine: String,
            _ type: State.Type,
            live: (State) -> Bool
        ) -> [State] {
            State.allCases.filter { state in
                live(state)
                    && !State.Event.allCases.contains {
                        Self.timed[machine]?.contains($0.rawValue) ?? false
                            && State.target(from: state, on: $0).map { $0 != state } ?? false
                    }
            }
        }
        #expect(rotting("alert", AlertState.self) { $0.isLive }.isEmpty)
        #expect(rotting("suggestion", SuggestionState.self) { $0.isLive }.isEmpty)
        // A car that is in the workshop is not moved by the clock: it gets a carry-over to-do.
        #expect(
            rotting("appointment", AppointmentState.self) { $0.isLive } == [.inService]
        )
    }
}
