import ConfigFiles
import GatewayApp
import GatewayCore
import Rules
import Support
import Telemetry
import Testing
import Workshop

/// A rule that leaves its lead to the workshop: told early while the calendar is full, and not
/// before it matters while bays stand empty.
struct WorkshopLeadTests {
    /// Oil that falls by half a per cent a day from 30: at its limit of 5 after seven weeks.
    private func raised(
        isFull: Bool,
        restartingEvery steps: Int? = nil
    ) throws -> (day: Double, alert: Alert) {
        var assembly = try Fixtures.assembly()
        let place = try #require(assembly.rules.firstIndex { $0.id == "oil_life" })
        assembly.rules[place].near.leadsByWorkshop = true
        assembly.rules[place].near.leadDays = 40
        var gateway = assembly.makeGateway()
        if isFull {
            // Closed until the week in which the oil is used up.
            let closed = OpenInterval(
                start: Fixtures.start,
                end: Fixtures.start + .days(Int64(46))
            )
            let close = Command.close(
                station: assembly.stations[0].code,
                .station,
                closed,
                reason: "full",
                by: Actor("max", .manager)
            )
            _ = gateway.step(.command(close), now: Fixtures.start)
        }
        let signal = "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent"
        for step in 0..<50 * 2 {
            let time = Fixtures.start + .hours(Int64(step * 12))
            let packet = Fixtures.packet("v1", at: time, [signal: 30 - Double(step) / 4])
            let unit = gateway.step(.packets(Fixtures.batch([packet])), now: time)
            if let alert = unit.alerts.first {
                return ((alert.raisedAt - Fixtures.start).days, alert)
            }
        }
        throw Never.never
    }

    private enum Never: Error { case never }

    @Test func aFullCalendarIsWarnedOfEarlierThanAnEmptyOne() throws {
        let empty = try raised(isFull: false)
        let full = try raised(isFull: true)
        // Empty bays: a few days to reach the customer. Closed until day 46: weeks before.
        #expect((36.0...48.0).contains(empty.day), "\(empty.day)")
        #expect(full.day < empty.day - 7, "\(full.day), \(empty.day)")
        #expect(
            full.alert.sentence.en.contains("The next free slot is on 1"),
            "\(full.alert.sentence)"
        )
        #expect(full.alert.sentence.zh.contains("最近可约时间为4月"))
    }

    @Test func theLeadIsAKeyOfTheRule() throws {
        let rule = try Fixtures.rule("oil_life")
        #expect(!rule.near.leadsByWorkshop && rule.near.leadMarginDays == 3)
    }
}
