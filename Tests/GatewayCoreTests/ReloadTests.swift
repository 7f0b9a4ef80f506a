import GatewayApp
import GatewayCore
import Rules
import Support
import Telemetry
import Testing

/// Rules and limits changed under a running core.
struct ReloadTests {
    private let assembly: Assembly

    init() throws {
        assembly = try Fixtures.assembly()
    }

    private func run(
        days: Int,
        reloadingAfter reloads: [Int: RuleSet] = [:]
    ) -> (gateway: Gateway, units: [CommitUnit]) {
        var gateway = assembly.makeGateway()
        var units: [CommitUnit] = []
        for step in 0..<days * 3 {
            let time = Fixtures.start + .hours(Int64(step * 8))
            if let set = reloads[step] {
                units.append(
                    gateway.step(.command(.reload(set, by: Actor("test", .engineer))), now: time)
                )
            }
            let packet = Fixtures.packet(
                "leaks",
                sequence: step + 1,
                at: time,
                [
                    "\(Fixtures.leftFront).Pressure": 240 - Double(step),
                    "\(Fixtures.leftFront).AirTemperature": 20,
                ]
            )
            units.append(gateway.step(.packets(Fixtures.batch([packet])), now: time))
        }
        return (gateway, units)
    }

    private var inForce: RuleSet { RuleSet(rules: assembly.rules, limits: [:]) }

    @Test func theSameRulesReadAgainChangeNothing() {
        let (_, straight) = run(days: 16)
        let (_, reloaded) = run(days: 16, reloadingAfter: [7: inForce, 20: inForce, 33: inForce])
        #expect(straight.flatMap(\.alertLog) == reloaded.flatMap(\.alertLog))
        #expect(straight.flatMap(\.alerts) == reloaded.flatMap(\.alerts))
        #expect(!straight.flatMap(\.alerts).isEmpty)
    }

    @Test func alertsOfARuleThatIsGoneEndAndTheirVisitsAreWithdrawn() throws {
        var without = inForce
        without.rules.removeAll { $0.id == "tyre_pressure" }
        let (gateway, units) = run(days: 16, reloadingAfter: [45: without])
        let alert = try #require(units.flatMap(\.alerts).last)
        #expect(alert.state == .closed && alert.outcome == .superseded)
        #expect(units.flatMap(\.suggestions).last?.state == .withdrawn)
        #expect(gateway.liveAlertCount == 0)
        #expect(
            units.contains {
                $0.answer == .success(.reloaded(rules: without.rules.count, superseded: 1))
            }
        )
    }

    @Test func aLimitOfOneVehicleMovesWhatIsNear() throws {
        let engine = RuleEngine(rules: assembly.rules, catalogue: assembly.catalogue)
        let slot = try #require(
            engine.slots.indices.first { engine.component(ofSlot: $0).name == "tyre_fl" }
        )
        var own = inForce
        own.limits["leaks"] = [VehicleLimit(slot: slot, value: 205)]
        // 240 kPa and 3 kPa a day less: 205 is reached on day 12, 180 on day 20.
        let (_, usual) = run(days: 8)
        let (_, moved) = run(days: 8, reloadingAfter: [9: own])
        #expect(usual.flatMap(\.alerts).isEmpty)
        let alert = try #require(moved.flatMap(\.alerts).first)
        #expect(alert.evidence.limit == 205 && !alert.evidence.isLimitAssumed)
    }
}
