import ConfigFiles
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing
import Workshop

@testable import Rules

/// Composite rules beyond what `config/rules/usage.test.yaml` shows.
struct ConditionTests {
    private func gateway(_ composite: String) throws -> Gateway {
        let folder = try ScratchFolder()
        var assembly = try Fixtures.assembly()
        _ = try folder.write("a.rules.yaml", composite)
        let composites = try RuleFile.load(
            folder: folder.url.path,
            catalogue: assembly.catalogue,
            jobs: Set(assembly.jobs.map(\.code))
        )
        assembly.rules += composites
        return assembly.makeGateway()
    }

    /// A bound says "53.4 and more", and a vehicle that wrote 53.4 meets it: the number that is kept,
    /// in single precision, is a little less.
    @Test(arguments: UInt64(1)...8)
    func aBoundIsMetByTheNumberThatWasWritten(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1_000 {
            let bound = Double(Int.random(in: -20_000...20_000, using: &generator)) / 10
            let near = [Float(bound), Float(bound).nextUp, Float(bound).nextDown, Float(bound) + 1]
            for (value, isAtLeast) in near.flatMap({ [($0, true), ($0, false)] }) {
                let fact = Condition.Fact(
                    quantity: .silentHours,
                    isAtLeast: isAtLeast,
                    bound: bound
                )
                let written = Double(value.description) ?? .nan
                #expect(decimal(value) == written)
                #expect(fact.holds(value) == fact.holds(written))
            }
        }
    }

    private static let silence = """
        composites:
          - id: quiet
            version: 1
            title: {zh: 静, en: Quiet}
            when: {silent: {hours: 48}}
            clear_hours: 0
            consequence: comfort
            display: {unit: {zh: 小时, en: h}, factor: 1, decimals: 0, slope_decimals: 0}
            jobs: [diagnosis]
            text: {zh: "{value}小时没有数据", en: "silent for {value} h"}
        """

    private func speed(at time: Timestamp) -> PacketBatch {
        Fixtures.batch([Fixtures.packet("a", at: time, ["Vehicle.Speed": 50])])
    }

    @Test func silenceIsNoticedByTheClockAndEndsWithAReading() throws {
        var gateway = try gateway(Self.silence)
        let start = Fixtures.start
        _ = gateway.step(.packets(speed(at: start)), now: start)
        _ = gateway.step(.packets(speed(at: start + .hours(24))), now: start + .hours(24))
        #expect(gateway.step(.tick, now: start + .hours(71)).alerts.isEmpty)
        let alert = try #require(gateway.step(.tick, now: start + .hours(80)).alerts.first)
        #expect(alert.ruleID == "quiet" && alert.sentence.en == "silent for 48 h")
        #expect(alert.raisedAt == start + .hours(72))
        let back = start + .hours(90)
        _ = gateway.step(.packets(speed(at: back)), now: back)
        let cleared = gateway.step(.tick, now: back + .minutes(3))
        #expect(cleared.transitions.contains { $0.event == "cleared" })
    }

    /// An add-on alone is no reason to call; beside another cause it rides along, where the owner
    /// agreed to offers.
    @Test(arguments: [true, false])
    func anAddOnMakesNoVisitOfItsOwn(allowsOffers: Bool) throws {
        let codes = Self.silence.replacing(
            "when: {silent: {hours: 48}}",
            with: "add_on: true\n    when: "
                + "{value: {signal: Vehicle.Diagnostics.DTCCount, at_least: 1}}"
        )
        var gateway = try gateway(codes)
        var units: [CommitUnit] = []
        for step in 0..<48 {
            let time = Fixtures.start + .hours(Int64(step * 8))
            let packet = Fixtures.packet(
                "a",
                at: time,
                [
                    "Vehicle.Diagnostics.DTCCount": 1,
                    "\(Fixtures.leftFront).Pressure": 240 - Double(step),
                    "\(Fixtures.leftFront).AirTemperature": 20,
                ]
            )
            units.append(gateway.step(.packets(Fixtures.batch([packet])), now: time))
            guard step == 0 else { continue }
            var facts = VehicleFacts()
            facts.account = 1
            facts.allowsOffers = allowsOffers
            let news = VehicleNews(vehicle: "a", facts: facts)
            units.append(gateway.step(.command(.facts([news])), now: time))
        }
        let first = try #require(units.flatMap(\.suggestions).first)
        let addOn = try #require(units.flatMap(\.alerts).first { $0.ruleID == "quiet" })
        // The fixtures' own rule of trouble codes is the first cause of a visit.
        #expect(first.createdAt > addOn.raisedAt)
        #expect(first.alerts.contains(addOn.id) == allowsOffers)
    }

    @Test(arguments: [
        ("when: {silent: {hours: 48}}", "when: {quiet: 1}", "unknown key 'quiet'"),
        (
            "when: {silent: {hours: 48}}",
            "when: {crossing: {rule: none, within_days: 3}}", "there is no rule 'none'"
        ),
        (
            "when: {silent: {hours: 48}}",
            "when: {value: {signal: Vehicle.Speed}}", "either at_least or at_most"
        ),
        ("when: {silent: {hours: 48}}", "when: {all: []}", "at least one condition"),
    ])
    func aWrongConditionSaysWhereAndWhatWasExpected(
        right: String,
        wrong: String,
        message: String
    ) throws {
        let error = #expect(throws: ConfigError.self) {
            try gateway(Self.silence.replacing(right, with: wrong))
        }
        #expect(error?.line == 5)
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "")")
    }
}
