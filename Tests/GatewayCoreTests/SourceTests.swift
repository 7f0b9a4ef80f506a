import Decoding
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

/// What other senders' messages become, through the whole core and the shipped files.
struct SourceTests {
    private struct Seen: Equatable {
        var values: [Double]
        var reasons: [RejectionReason]
        var ignored: Int
    }

    private func step(_ messages: [(String, String)]) throws -> (Gateway, CommitUnit) {
        var gateway = try Fixtures.assembly().makeGateway()
        let batch = Fixtures.batch(messages.map { ($0.0, $0.1, Fixtures.start) })
        let unit = gateway.step(.packets(batch), now: Fixtures.start)
        return (gateway, unit)
    }

    private func see(_ topic: String, _ payload: String) throws -> Seen {
        let (_, unit) = try step([(topic, payload)])
        return Seen(
            values: unit.readings.map(\.value),
            reasons: unit.deadLetters.map(\.rejection.reason),
            ignored: unit.counts.ignoredPackets
        )
    }

    @Test func everyShippedExampleGivesWhatItSays() throws {
        let (examples, complaints) = SourceTrial.test(try Fixtures.assembly())
        #expect(complaints.isEmpty)
        #expect(examples >= 15)
    }

    @Test(arguments: [
        ("206.8,216.4,275.7,175.7", [206.8, 216.4, 275.7, 175.7], 0),
        (" 206.8 , 216.4", [206.8, 216.4], 0),
        (",,275.7,", [275.7], 0),
        ("206.8,flat,275.7,175.7", [206.8, 275.7, 175.7], 1),
        ("1,2,3,4,5", [1, 2, 3, 4], 1),
        ("nan,inf,0x1,1e999", [], 4),
    ])
    func aListCostsOnlyItsBadElements(payload: String, values: [Double], rejected: Int) throws {
        let (_, unit) = try step([("ovms/u/car/metric/v/t/pressure", payload)])
        #expect(unit.readings.map(\.value) == values)
        #expect(unit.counts.rejectedTotal == rejected)
        #expect(unit.counts.received == unit.counts.accepted + unit.counts.rejectedTotal)
    }

    @Test func whatASourceDoesNotMapIsIgnoredAndCounted() throws {
        for (topic, payload) in [
            ("ovms/u/car/metric/v/d/hood", "no"), ("teslamate/cars/1/speed", ""),
            ("rtl_433/r/events", "{\"model\":\"Acurite\",\"temperature_C\":4}"),
            ("traccar/positions", "{\"device\":{\"uniqueId\":\"x\"}}"),
            ("rtl_433/r/events", "{\"type\":\"TPMS\",\"id\":\"demo0001\",\"pressure_kPa\":null}"),
        ] {
            #expect(
                try see(topic, payload) == Seen(values: [], reasons: [], ignored: 1),
                "\(topic) \(payload)"
            )
        }
    }

    @Test(arguments: [
        ("traccar/positions", "{\"position\":{\"speed\":1}", RejectionReason.notJSON),
        (
            "traccar/positions",
            "{\"position\":{\"speed\":1,\"deviceTime\":\"2026-03-01\"},\"device\":{\"uniqueId\":1}}",
            .badTimestamp
        ),
        ("traccar/positions", "{\"position\":{\"speed\":1}}", .missingField),
        (
            "traccar/positions",
            "{\"position\":{\"speed\":1,\"deviceTime\":\"2026-03-01T00:00:00Z\"},"
                + "\"device\":{\"uniqueId\":\"a/+\"}}", .badVehicle
        ),
        (
            "traccar/positions",
            "{\"position\":{\"speed\":1,\"speed\":2,\"deviceTime\":\"2026-03-01T00:00:00Z\"},"
                + "\"device\":{\"uniqueId\":\"a\"}}", .duplicateField
        ),
        (
            "traccar/positions",
            "{\"position\":{\"speed\":1,\"deviceTime\":\"2031-03-01T00:00:00Z\"},"
                + "\"device\":{\"uniqueId\":\"a\"}}", .futureTimestamp
        ),
        (
            "rtl_433/r/events", "{\"type\":\"TPMS\",\"id\":\"feed\",\"pressure_kPa\":230}",
            .unknownSensor
        ),
        ("senml/v", "{\"n\":\"Vehicle.Speed\",\"v\":1}", .wrongType),
        ("senml/v", "[{\"n\":\"Vehicle.Warp\",\"v\":1}]", .unknownSignal),
        ("senml/v", "[{\"n\":\"Vehicle.Speed\",\"u\":\"furlong\",\"v\":1}]", .unknownUnit),
        ("senml/v", "[]", .noReadings),
        ("ovms/u/v/metric/v/t/temp", String(repeating: "1,", count: 2_000), .tooManyReadings),
        ("teslamate/cars/1/odometer", "far", .wrongType),
        ("teslamate/cars/1/tpms_pressure_fl", "29", .outOfRange),
        ("unknown/topic", "1", .badTopic),
    ])
    func whatCannotBeUsedIsKeptWithItsReason(
        topic: String,
        payload: String,
        reason: RejectionReason
    ) throws {
        #expect(
            try see(topic, payload) == Seen(values: [], reasons: [reason], ignored: 0)
        )
    }

    @Test func senMLTimesCountFromNowOrFrom1970() throws {
        let seconds = Fixtures.start.milliseconds / 1_000
        let (_, unit) = try step([
            (
                "senml/v",
                "[{\"bt\":\(seconds),\"n\":\"Vehicle.Speed\",\"t\":-60,\"v\":1},"
                    + "{\"bt\":-5,\"n\":\"Vehicle.Speed\",\"v\":2}]"
            )
        ])
        #expect(
            unit.readings.map(\.observedAt) == [
                Fixtures.start - .minutes(1), Fixtures.start - .seconds(5),
            ]
        )
    }

    /// What the broker kept for new subscribers may be of any age.
    @Test func aValueWithoutATimeIsRefusedWhenTheBrokerKeptIt() throws {
        let sources = try Fixtures.assembly().sources
        let refusing = sources.filter(\.refusesRetained).map(\.name)
        #expect(refusing == ["ovms-v3", "rtl433-tpms", "saic-ismart", "teslamate"])
        var gateway = try Fixtures.assembly().makeGateway()
        var batch = PacketBatch()
        for isRetained in [true, false] {
            batch.append(
                topic: "teslamate/cars/1/odometer".utf8,
                payload: "4".utf8,
                receivedAt: Fixtures.start,
                isRetained: isRetained
            )
        }
        let unit = gateway.step(.packets(batch), now: Fixtures.start)
        #expect(unit.readings.count == 1 && unit.counts.ignoredPackets == 1)
    }

    @Test(arguments: ["", "a//b", "a/+/b", "a/{x...}/b", "a/b{x}", "a/#", "{}/a"])
    func patternsThatNameNothingAreRefused(text: String) {
        #expect(TopicPattern(text) == nil)
    }
}
