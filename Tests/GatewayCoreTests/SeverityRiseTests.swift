import GatewayCore
import Rules
import Support
import Telemetry
import Testing

/// How an alert's severity follows the time that is left.
struct SeverityRiseTests {
    /// A tyre that loses 3 kPa a day for 13 days from 240 kPa; 180 kPa is its limit.
    private func leaking() throws -> (Gateway, [Alert]) {
        var gateway = try Fixtures.assembly().makeGateway()
        var alerts: [Alert] = []
        for packet in Fixtures.leak("v1", perDay: 3, days: 13) {
            alerts +=
                gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt).alerts
        }
        alerts += gateway.finish().alerts
        return (gateway, alerts)
    }

    /// Nothing arrives any more: the clock alone makes it worse, and the visit more urgent.
    @Test func silenceDoesNotStopTheSeverity() throws {
        var (gateway, alerts) = try leaking()
        let told = try #require(alerts.last)
        #expect(told.severity == .soon)
        let actBy = try #require(told.evidence.actBy)
        let before = gateway.step(.tick, now: actBy - .days(3.0) - .minutes(1))
        #expect(before.alerts.isEmpty)
        let after = gateway.step(.tick, now: actBy - .days(3.0))
        #expect(after.alerts.last?.severity == .urgent)
        // No reading has met the limit.
        let last = gateway.step(.tick, now: actBy + .days(1.0))
        #expect(!last.alerts.contains { $0.severity == .crossed })
    }

    /// Some air puts the crossing off, but does not make the alert less severe.
    @Test func severityOnlyRisesUntilTheAlertIsOver() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        var alerts: [Alert] = []
        let packets =
            Fixtures.leak("v1", perDay: 3, days: 18)
            + Fixtures.leak(
                "v1",
                from: 196,
                perDay: 1,
                days: 3,
                start: Fixtures.start + .days(18.0)
            )
        for packet in packets {
            alerts +=
                gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt).alerts
        }
        #expect(alerts.map(\.severity) == alerts.map(\.severity).sorted())
        let isPutOff = alerts.contains { alert in
            SeverityLadder().severity(of: alert.evidence, now: alert.updatedAt) < alert.severity
        }
        #expect(isPutOff, "\(alerts.map { ($0.updatedAt, $0.evidence.early, $0.severity) })")
    }
}
