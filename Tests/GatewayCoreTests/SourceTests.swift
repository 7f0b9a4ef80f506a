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
        (" 206.8 , 216.4 ,275.7,175.7", [206.8, 216.4, 275.7, 175.7], 0),
        ("[206.8,\"216.4\",null,175.7]", [206.8, 216.4, 175.7], 0),
        ("[206.8,[216.4],275.7,175.7]", [206.8, 275.7, 175.7], 1),
        (",,275.7,", [275.7], 0),
        ("206.8,flat,275.7,175.7", [206.8, 275.7, 175.7], 1),
        ("1e,inf,0x1,1e999", [], 4),
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
        ("ovms/u/v/metric/v/t/pressure", "206,8,216,4,275,7,175,7", .wrongType),
        ("ovms/u/v/metric/v/t/pressure", "206.8,216.4,275.7", .wrongType),
        ("ovms/u/v/metric/v/t/pressure", "206.8;216.4;275.7;175.7", .wrongType),
        ("ovms/u/v/metric/v/t/pressure", "[206.8,216.4,275.7]", .wrongType),
        ("ovms/u/v/metric/v/t/pressure", "[206.8,216.4", .notJSON),
        ("traccar/positions", "\"text\"", .wrongType),
        ("traccar/positions", "[{}]", .wrongType),
        (
            "traccar/positions",
            "{\"position\":{\"speed\":{\"v\":1},\"deviceTime\":1772323200},"
                + "\"device\":{\"uniqueId\":\"a\"}}", .wrongType
        ),
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
        ("ovms/u/v/metric/v/t/temp", String(repeating: "1,", count: 2_000), .wrongType),
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

    @Test(arguments: [
        ("\"2.875\"", 287.5), ("\" 2e0 \"", 200), ("2.5", 250),
    ])
    func aNumberInAStringIsTheNumber(payload: String, value: Double) throws {
        #expect(try see("teslamate/cars/1/tpms_pressure_fl", payload).values == [value])
    }

    @Test(arguments: ["\"12 V\"", "\"2,875\"", "\"0x1F\"", "\"inf\"", "\"2", "2\""])
    func aStringThatIsNoNumberIsRejected(payload: String) throws {
        #expect(
            try see("teslamate/cars/1/tpms_pressure_fl", payload)
                == Seen(values: [], reasons: [.wrongType], ignored: 0)
        )
    }

    @Test(arguments: ["", "000", "000000", "000000000"])
    func aCountedTimeIsReadByItsSize(zeros: String) throws {
        let seconds = Fixtures.start.milliseconds / 1_000
        for time in ["\(seconds)\(zeros)", "\"\(seconds)\(zeros)\""] {
            let (_, unit) = try step([
                (
                    "traccar/positions",
                    "{\"position\":{\"speed\":1,\"deviceTime\":\(time)},"
                        + "\"device\":{\"uniqueId\":\"a\"}}"
                )
            ])
            #expect(unit.readings.map(\.observedAt) == [Fixtures.start], "\(time)")
        }
    }

    /// Of two sources on one topic the conditions decide, not the order of the files alone.
    @Test(arguments: [
        (Source.Condition.Test.oneOf(["gl200", "osmand"]), "\"gl200\"", true),
        (.oneOf(["7"]), "7", true), (.oneOf(["gl200"]), "\"h02\"", false),
        (.noneOf(["gl200"]), "\"h02\"", true), (.noneOf(["gl200"]), "\"gl200\"", false),
        (.noneOf(["gl200"]), "null", true), (.absent, "null", true), (.absent, "1", false),
        (.present, "{}", true), (.present, "null", false), (.oneOf(["true"]), "true", true),
    ])
    func aPacketGoesToTheNextSourceWhoseConditionsHold(
        test: Source.Condition.Test,
        text: String,
        isFirst: Bool
    ) throws {
        var assembly = try Fixtures.assembly()
        var special = try #require(assembly.sources.first { $0.name == "traccar" })
        special.conditions = [Source.Condition(pointer: "/position/protocol", test: test)]
        special.mappings = special.mappings.filter { $0.from == "/position/attributes/power" }
        special.mappings[0].targets[0].conversion.factor = 0.001
        assembly.sources.insert(special, at: 0)
        var gateway = assembly.makeGateway()
        let payload =
            "{\"position\":{\"protocol\":\(text),\"deviceTime\":"
            + "\"\(Fixtures.start)\",\"attributes\":{\"power\":12.5}},"
            + "\"device\":{\"uniqueId\":\"a\"}}"
        let batch = Fixtures.batch([("traccar/positions", payload, Fixtures.start)])
        let unit = gateway.step(.packets(batch), now: Fixtures.start)
        #expect(unit.readings.map(\.value) == [isFirst ? 0.0125 : 12.5])
    }

    @Test func eachRejectedValueOfAPacketHasALine() throws {
        let outcome = SourceTrial.outcome(
            of: "vehicles/v/telemetry",
            payload: Array(
                "{\"v\":1,\"ts\":\"2026-03-01T00:00:00Z\",\"readings\":{\"a\":1,\"b\":2}}".utf8
            ),
            assembly: try Fixtures.assembly()
        )
        #expect(outcome.lines.count { $0.hasPrefix("rejected: ") } == 2 && !outcome.hasReadings)
        #expect(outcome.lines.last?.hasPrefix("Next: ") == true)
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
