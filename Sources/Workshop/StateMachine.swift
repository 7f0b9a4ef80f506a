/// A step a state machine knows.
package struct Arrow<State: MachineState>: Sendable {
    /// States the step leaves; empty where it begins a record.
    package let from: [State]
    package let event: State.Event
    /// Nil: the record stays in its state.
    package let to: State?

    package init(_ from: [State], _ event: State.Event, _ to: State?) {
        self.from = from
        self.event = event
        self.to = to
    }
}

/// A state of a machine whose steps are a table.
///
/// Whatever is not in `arrows` is refused; there is no second way from one state to another.
package protocol MachineState: RawRepresentable, CaseIterable, Hashable, Sendable
where RawValue == String {
    associatedtype Event: RawRepresentable, CaseIterable, Hashable, Sendable
    where Event.RawValue == String

    static var arrows: [Arrow<Self>] { get }
}

extension MachineState {
    /// Where `event` leads from `state`, nil being a record that begins; nil when it is refused.
    package static func target(from state: Self?, on event: Event) -> Self? {
        for arrow in arrows where arrow.event == event {
            guard let state else {
                if arrow.from.isEmpty { return arrow.to }
                continue
            }
            if arrow.from.contains(state) { return arrow.to ?? state }
        }
        return nil
    }

    package func allows(_ event: Event) -> Bool {
        Self.target(from: self, on: event) != nil
    }
}
