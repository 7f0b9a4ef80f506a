import GatewayApp
import GatewayCore
import Rules
import Support
import Telemetry
import Testing
import Workshop

/// A gateway with people at it: the newest record of everything, and every transition.
struct Desk {
    var gateway: Gateway
    var suggestions: [SuggestionID: Suggestion] = [:]
    var appointments: [AppointmentID: Appointment] = [:]
    var alerts: [AlertID: Alert] = [:]
    var transitions: [Transition] = []
    var attempts: [AttemptRow] = []
    var complaints: [Complaint] = []

    static let advisor = Actor("ann")
    static let specialist = Actor("sun", .specialist)
    static let manager = Actor("max", .manager)

    /// `v1` has a leaking tyre and a suggestion, held on a Friday at noon in Suzhou.
    init(perDay: Double = 3, days: Int = 13, assembly: Assembly? = nil) throws {
        gateway = try (assembly ?? Fixtures.assembly()).makeGateway()
        feed([Desk.profile("v1")] + Fixtures.leak("v1", perDay: perDay, days: days))
        add(gateway.finish())
    }

    /// Nothing has happened yet.
    init(empty assembly: Assembly) {
        gateway = assembly.makeGateway()
    }

    /// The shipped stations, and another in Suzhou some kilometres off.
    static func twoStationsInSuzhou() throws -> Assembly {
        var assembly = try Fixtures.assembly()
        var other = assembly.stations[0]
        other.code = "su-zhou-2"
        other.location?.longitude += 0.1
        for index in other.bays.indices { other.bays[index].code = "su-zhou-2-\(index)" }
        for index in other.technicians.indices {
            other.technicians[index].code = "su-zhou-2-t\(index)"
        }
        assembly.stations.append(other)
        return assembly
    }

    static func profile(
        _ vehicle: String
    ) -> (topic: String, payload: String, receivedAt: Timestamp) {
        (
            "vehicles/\(vehicle)/profile",
            "{\"v\":1,\"placard_front_kpa\":240,\"placard_rear_kpa\":240,"
                + "\"station\":\"su-zhou-1\"}",
            Fixtures.start
        )
    }

    var suggestion: Suggestion {
        get throws { try #require(suggestions.values.max { $0.id < $1.id }) }
    }

    var visit: Appointment {
        get throws { try #require(appointments.values.max { $0.id < $1.id }) }
    }

    mutating func add(_ unit: CommitUnit) {
        for suggestion in unit.suggestions { suggestions[suggestion.id] = suggestion }
        for visit in unit.appointments { appointments[visit.id] = visit }
        for alert in unit.alerts { alerts[alert.id] = alert }
        for complaint in unit.complaints {
            complaints.removeAll { $0.id == complaint.id }
            complaints.append(complaint)
        }
        transitions += unit.transitions
        attempts += unit.attempts
    }

    mutating func feed(_ packets: [(topic: String, payload: String, receivedAt: Timestamp)]) {
        for packet in packets {
            add(gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt))
        }
    }

    mutating func wait(until time: Timestamp) {
        add(gateway.step(.tick, now: time))
    }

    mutating func wait(_ time: Milliseconds) {
        wait(until: gateway.now + time)
    }

    /// Goes on to the next time of day in Suzhou (UTC+8).
    mutating func wait(untilHour hour: Int, minute: Int = 0) {
        let zone = gateway.stations[0].zone
        let local = zone.civil(gateway.now)
        let isPast = local.minute >= hour * 60 + minute
        let day = local.date.daysSinceEpoch + (isPast ? 1 : 0)
        wait(
            until: zone.instant(
                of: CivilTime(
                    date: CivilDate(daysSinceEpoch: day),
                    minute: hour * 60 + minute
                )
            )
        )
    }

    @discardableResult
    mutating func give(_ command: Command) -> Problem? {
        let unit = gateway.step(.command(command), now: gateway.now)
        add(unit)
        if case .failure(let problem) = unit.answer { return problem }
        return nil
    }

    /// A step with the newest suggestion, on the version it has.
    @discardableResult
    mutating func take(_ step: SuggestionStep, by actor: Actor = advisor) throws -> Problem? {
        let suggestion = try suggestion
        return give(.suggestion(suggestion.id, version: suggestion.version, step, by: actor))
    }

    @discardableResult
    mutating func take(_ step: AppointmentStep, by actor: Actor = manager) throws -> Problem? {
        let visit = try visit
        return give(.appointment(visit.id, version: visit.version, step, by: actor))
    }

    @discardableResult
    mutating func call(
        _ outcome: ContactOutcome,
        at callBack: Timestamp? = nil,
        _ channel: ContactChannel = .phone,
        note: String = "",
        by actor: Actor = advisor
    ) throws -> Problem? {
        try take(
            .attempt(
                ContactAttempt(
                    channel: channel,
                    outcome: outcome,
                    callBackAt: callBack,
                    note: note
                )
            ),
            by: actor
        )
    }

    /// The last events, as `machine event`.
    func events(_ machine: Transition.Machine) -> [String] {
        transitions.filter { $0.machine == machine }.map(\.event)
    }
}
