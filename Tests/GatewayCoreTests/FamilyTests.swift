import GatewayCore
import Support
import Telemetry
import Testing

/// A service by distance, date and hours: one alert, of whichever comes first.
struct FamilyTests {
    /// Two packets a day from day `from` on; kilometres and days to go fall evenly.
    private func drive(
        _ gateway: inout Gateway,
        days: Range<Int>,
        kilometres: Double,
        daysToGo: Double
    ) -> [Alert] {
        var alerts: [Alert] = []
        for step in 0..<days.count * 2 {
            let passed = Double(step) / 2
            let packet = Fixtures.packet(
                "v1",
                at: Fixtures.start + .days(Double(days.lowerBound) + passed),
                [
                    "Vehicle.Service.DistanceToService": kilometres - 40 * passed,
                    "Vehicle.Service.TimeToService": (daysToGo - passed) * 86_400,
                ]
            )
            let input = Input.packets(Fixtures.batch([packet]))
            alerts += gateway.step(input, now: packet.receivedAt).alerts
        }
        return alerts
    }

    @Test func theAlertGoesOverToTheAxisThatComesFirst() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        // By distance on day 25, by date on day 40; both are within thirty days from day 10 on.
        let first = drive(&gateway, days: 0..<14, kilometres: 1_000, daysToGo: 40)
        #expect(first.last?.ruleID == "service_distance" && first.last?.state == .planned)
        // Somebody set the distance back, but not the date.
        let second = drive(&gateway, days: 14..<18, kilometres: 15_000, daysToGo: 26)
        let over = try #require(second.last)
        #expect(over.ruleID == "service_date" && over.state == .planned)
        #expect(over.sentence.en.contains("days, on"))
        #expect(gateway.liveAlertCount == 1)
        let third = drive(&gateway, days: 18..<21, kilometres: 14_840, daysToGo: 365)
        #expect(third.contains { $0.state == .recovered })
        #expect(Set((first + second + third).map(\.id)).count == 1)
    }

    @Test func aVehicleThatTellsOneAxisIsWatchedByIt() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let packet = Fixtures.overdue(
            "v1",
            at: Fixtures.start,
            kilometres: 3,
            "Private.Service.EngineHoursToService"
        )
        _ = gateway.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)
        let alert = try #require(gateway.finish().alerts.last)
        #expect(alert.ruleID == "service_hours" && alert.severity == .crossed)
    }
}
