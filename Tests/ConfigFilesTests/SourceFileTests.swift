import ConfigFiles
import Decoding
import Foundation
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

/// The keys of a source file, each by a message that goes through the whole core.
struct SourceFileTests {
    private let bench: SourceTrialBench
    private let now = Fixtures.start
    private let seconds = Fixtures.start.milliseconds / 1_000

    init() throws {
        bench = try SourceTrialBench()
    }

    // MARK: Single values

    @Test func aValueHasItsOwnTimeAndUnitAndCostsOnlyItself() throws {
        let sources = [
            """
            topic: b/{vehicle}
            payload: object
            time: /t
            signals:
              - {from: /km/value, unit_from: /km/unit, time: /km/at, signal: Vehicle.TraveledDistance, unit: km}
              - {from: /temp/value, unit_from: /temp/unit, signal: Vehicle.Exterior.AirTemperature, unit: celsius}

            """
        ]
        let unit = try bench.step(
            sources,
            "b/c",
            "{\"t\":\(seconds),\"km\":{\"value\":\"10\",\"unit\":\"mi\",\"at\":\(seconds - 60)},"
                + "\"temp\":{\"value\":50,\"unit\":\"degF\"}}"
        )
        #expect(unit.readings.map(\.value) == [16_093.44, 10])
        #expect(unit.readings.map(\.observedAt) == [now - .minutes(1), now])
        #expect(
            try bench.see(
                sources,
                "b/c",
                "{\"t\":\(seconds),\"km\":{\"value\":10,\"unit\":\"V\"},\"temp\":{\"value\":5}}"
            ) == SourceTrialBench.Seen(vehicles: ["c"], values: [5], reasons: [.unknownUnit])
        )
        // Without the packet's time, only what tells its own is of use.
        #expect(
            try bench.see(
                sources,
                "b/c",
                "{\"km\":{\"value\":10,\"at\":\(seconds)},\"temp\":{\"value\":5}}"
            ) == SourceTrialBench.Seen(vehicles: ["c"], values: [10_000], reasons: [.missingField])
        )
    }

    @Test func whatTheBrokerKeptIsTakenWhereItTellsItsTime() throws {
        let sources = [
            "topic: b/{vehicle}\npayload: object\nsignals:\n"
                + "  - {from: /a, time: /at, signal: Vehicle.Speed}\n  - \(SourceTrialBench.volts)\n"
        ]
        #expect(
            try bench.see(sources, "b/c", "{\"a\":5,\"at\":\(seconds),\"v\":12}", isRetained: true)
                == SourceTrialBench.Seen(vehicles: ["c"], values: [5])
        )
        #expect(
            try bench.see(sources, "b/c", "{\"a\":5,\"v\":12}", isRetained: true)
                == SourceTrialBench.Seen(ignored: 1)
        )
    }

    @Test(arguments: [
        "\"Unavailable\"", "\"N/A\"", "\"\"", "\" nan \"", "350", "\"350\"", "\"LEARNING\"",
    ])
    func aSenderThatHasNoValueCostsNothing(sent: String) throws {
        let signal = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure"
        let own = "{from: /p, signal: \(signal), no_reading: {values: [350], words: [learning]}}"
        let sources = [
            "topic: b/{vehicle}\npayload: object\nsignals: [\(own), \(SourceTrialBench.volts)]\n"
        ]
        #expect(
            try bench.see(sources, "b/c", "{\"p\":\(sent),\"v\":12}")
                == SourceTrialBench.Seen(vehicles: ["c"], values: [12], absent: 1)
        )
        #expect(
            try bench.see(sources, "b/c", "{\"p\":\(sent)}")
                == SourceTrialBench.Seen(vehicles: ["c"], absent: 1)
        )
    }

    /// A number is compared as it is sent, before it is scaled.
    @Test func theWordsOfASourceReplaceTheUsualOnes() throws {
        let scaled =
            "{from: v, signal: Vehicle.LowVoltageBattery.CurrentVoltage, unit: V, factor: 0.1}"
        let sources = [
            "topic: b/{vehicle}/{r...}\npayload: scalar\nsignals: [\(scaled)]\n"
                + "no_reading: {words: [XXX, '--'], values: [255]}\n"
        ]
        for sent in ["xxx", "--", "255"] {
            #expect(
                try bench.see(sources, "b/c/v", sent)
                    == SourceTrialBench.Seen(vehicles: ["c"], absent: 1)
            )
        }
        #expect(try bench.see(sources, "b/c/v", "unavailable").reasons == [.wrongType])
        #expect(try bench.see(sources, "b/c/v", "125").values == [12.5])
    }

    @Test func aPlaceInAnArrayIsNoNameUnlessTheMappingSaysSo() throws {
        let from = "from: /s/0/value, signal: Vehicle.Speed"
        let payload = "{\"s\":[{\"value\":42}]}"
        func sources(_ more: String) -> [String] {
            ["topic: b/{vehicle}\npayload: object\nsignals: [{\(from)\(more)}]\n"]
        }
        #expect(try bench.see(sources(""), "b/c", payload).reasons == [.wrongType])
        #expect(try bench.see(sources(", by_place: true"), "b/c", payload).values == [42])
        // Of an object a number is a name like any other.
        #expect(try bench.see(sources(""), "b/c", "{\"s\":{\"0\":{\"value\":42}}}").values == [42])
    }

    // MARK: Which source

    private func element(_ vehicle: String, _ volts: String) -> String {
        "{\"ident\":\"\(vehicle)\",\"timestamp\":\(seconds),\"v\":\(volts)}"
    }

    /// What one source leaves of a batch is the next one's.
    @Test func theElementsThatOneSourceLeavesAreTheNextOnes() throws {
        let first = SourceArrayTests.batch.replacing("{not: ping}", with: "a")
        let second = SourceArrayTests.batch.replacing("{not: ping}", with: "b")
            .replacing("unit: V", with: "unit: mV")
        func sent(_ kind: String, _ vehicle: String) -> String {
            element(vehicle, "12").replacing("{\"ident", with: "{\"kind\":\"\(kind)\",\"ident")
        }
        let payload = "[\(sent("b", "x")),\(sent("a", "y")),\(sent("c", "z"))]"
        for sources in [[first, second], [second, first]] {
            let seen = try bench.see(sources, "f/1", payload)
            #expect(Set(seen.values) == [12, 0.012] && seen.reasons.isEmpty && seen.ignored == 0)
        }
    }

    @Test func aDocumentOfAnotherShapeIsTheSourcesThatExpectsIt() throws {
        let object = "topic: f/{vehicle}\npayload: object\nsignals: [\(SourceTrialBench.volts)]\n"
        #expect(
            try bench.see([object, SourceArrayTests.batch], "f/1", "[\(element("a", "12"))]").values
                == [12]
        )
        #expect(try bench.see([object], "f/1", "[\(element("a", "12"))]").reasons == [.wrongType])
        // A source that maps nothing of a packet leaves it to the next one, too.
        let other = object.replacing("/v", with: "/w")
        #expect(try bench.see([other, object], "f/1", "{\"v\":12}").values == [12])
    }

    @Test func aTopicThatBeginsWithANamedLevelComesLastAndIsNeverOurOwn() throws {
        let open = """
            topic: "{vehicle}/data"
            subscribe: ["+/data"]
            payload: object
            signals: [\(SourceTrialBench.volts)]

            """
        let own =
            "topic: f/{vehicle}\npayload: object\nsignals: [{from: /v, signal: Vehicle.Speed}]\n"
        let gateway = try bench.gateway([open, own])
        #expect(gateway.sourceFilters == ["f/+", "+/data"])
        #expect(try bench.see([open, own], "353201350000001/data", "{\"v\":12}").values == [12])
        let both = try bench.step([open, own], "f/data", "{\"v\":12}")
        #expect(both.vehicles.map(\.name) == ["data"])
        #expect(try bench.see([open], "vehicles/data", "{\"v\":12}").reasons == [.badTopic])
        #expect(try bench.see([open], "$SYS/data", "{\"v\":12}").reasons == [.badTopic])
    }

    @Test func aTopicMayBeginWithASlash() throws {
        let source =
            "topic: /fleet/{vehicle}/s\npayload: object\nsignals: [\(SourceTrialBench.volts)]\n"
        #expect(try bench.see([source], "/fleet/c/s", "{\"v\":12}").values == [12])
    }

    // MARK: Sensors

    @Test func aSensorIsNamedByTheTopicInAnyCaseAndSitsOnAnyWheel() throws {
        _ = try bench.folder.write(
            "sources/sensors.csv",
            "sensor,vehicle,wheel\n00aB,truck,Row3.Right\nfeed,truck,Row2.Left.Inner\n"
                + "beef,car,Row1.Left\n"
        )
        let wheels = "Vehicle.Chassis.Axle.Row{1,3}.Wheel.{Left,Right}.Tire.Pressure"
        let duals = "Private.Chassis.Axle.Row2.Wheel.{Left,Right}.{Inner,Outer}.Tire.Pressure"
        let scalar = """
            topic: rtl/{receiver}/{id}/{field...}
            payload: scalar
            sensor: {from: "{id}", table: sensors.csv}
            signals:
              - {from: kpa, signal: "\(wheels)"}
              - {from: dual, signal: "\(duals)"}

            """
        let unit = try bench.step([scalar], "rtl/r/00AB/kpa", "812")
        #expect(unit.readings.map(\.value) == [812])
        #expect(
            unit.readings.map { bench.assembly.catalogue[$0.signal].path }
                == ["Vehicle.Chassis.Axle.Row3.Wheel.Right.Tire.Pressure"]
        )
        #expect(unit.vehicles.map(\.name) == ["truck"])
        #expect(try bench.see([scalar], "rtl/r/FEED/dual", "700").values == [700])
        // The mapping names the wheels it covers.
        #expect(try bench.see([scalar], "rtl/r/feed/kpa", "700").reasons == [.unknownSensor])
        #expect(try bench.see([scalar], "rtl/r/0000/kpa", "700").reasons == [.unknownSensor])
        let object = """
            topic: rtl/{receiver}
            payload: object
            sensor: {from: /id, table: sensors.csv}
            signals: [{from: /kpa, signal: "\(wheels)"}]

            """
        #expect(try bench.see([object], "rtl/r", "{\"id\":\"BEEF\",\"kpa\":230}").values == [230])
        #expect(
            try bench.see([object], "rtl/r", "{\"id\":\"feed\",\"kpa\":1}").reasons == [
                .unknownSensor
            ]
        )
    }

    /// A truck has single wheels in front and dual ones behind, told by the same field.
    @Test func aValueMayHaveSeveralMappings() throws {
        _ = try bench.folder.write(
            "sources/sensors.csv",
            "sensor,vehicle,wheel\na,truck,Row1.Left\nb,truck,Row2.Left.Inner\nc,truck,Row4.Left\n"
        )
        let single = "Vehicle.Chassis.Axle.Row1.Wheel.{Left,Right}.Tire.Pressure"
        let dual = "Private.Chassis.Axle.Row2.Wheel.{Left,Right}.{Inner,Outer}.Tire.Pressure"
        let scalar =
            "topic: r/{id}/{f...}\npayload: scalar\nsensor: {from: \"{id}\", table: sensors.csv}\n"
            + "signals:\n  - {from: p, signal: \"\(single)\"}\n  - {from: p, signal: \"\(dual)\"}\n"
        let object = scalar.replacing("topic: r/{id}/{f...}", with: "topic: r/{x}")
            .replacing("payload: scalar", with: "payload: object")
            .replacing("\"{id}\"", with: "/id").replacing("from: p", with: "from: /p")
        for sensor in ["a", "b"] {
            let seen = SourceTrialBench.Seen(vehicles: ["truck"], values: [800])
            #expect(try bench.see([scalar], "r/\(sensor)/p", "800") == seen)
            #expect(try bench.see([object], "r/x", "{\"id\":\"\(sensor)\",\"p\":800}") == seen)
        }
        #expect(try bench.see([scalar], "r/c/p", "800").reasons == [.unknownSensor])
        let both =
            "topic: f/{vehicle}/{f...}\npayload: scalar\nsignals:\n"
            + "  - {from: s, signal: Vehicle.Speed}\n  - {from: s, signal: Vehicle.IsMoving}\n"
        #expect(try bench.see([both], "f/c/s", "1").values == [1, 1])
    }

    /// Of a voltage, `true` would be 1 V.
    @Test(arguments: ["true", "\"true\"", "false"])
    func aTruthValueIsNoMeasurement(sent: String) throws {
        let source =
            "topic: b/{vehicle}\npayload: object\nsignals:\n  - \(SourceTrialBench.volts)\n"
            + "  - {from: /m, signal: Vehicle.IsMoving}\n"
        #expect(
            try bench.see([source], "b/c", "{\"v\":\(sent),\"m\":\(sent)}")
                == SourceTrialBench.Seen(
                    vehicles: ["c"],
                    values: [sent.contains("true") ? 1 : 0],
                    reasons: [.wrongType]
                )
        )
        let senml = "topic: s/{vehicle}\npayload: senml\n"
        let volts = "Vehicle.LowVoltageBattery.CurrentVoltage"
        #expect(
            try bench.see([senml], "s/c", "[{\"n\":\"\(volts)\",\"vb\":true}]").reasons
                == [.wrongType]
        )
    }

    /// What the broker had kept may be of any age, in every shape.
    @Test func whatIsRefusedForItsAgeIsCountedAndNotCalledUnmapped() throws {
        let object =
            "topic: b/{vehicle}\npayload: object\nsignals:\n"
            + "  - {from: /a, time: /at, signal: Vehicle.Speed}\n  - \(SourceTrialBench.volts)\n"
        let senml = "topic: s/{vehicle}\npayload: senml\n"
        for (source, topic, payload, values, refused) in [
            (object, "b/c", "{\"a\":5,\"at\":\(seconds),\"v\":12}", [5.0], 1),
            (object, "b/c", "{\"v\":12}", [], 1),
            (senml, "s/c", "[{\"n\":\"Vehicle.Speed\",\"v\":1,\"t\":-60}]", [], 1),
            (senml, "s/c", "[{\"n\":\"Vehicle.Speed\",\"v\":1,\"t\":\(seconds)}]", [1], 0),
        ] {
            var gateway = try bench.gateway([source])
            var batch = PacketBatch()
            batch.append(
                topic: topic.utf8,
                payload: payload.utf8,
                receivedAt: now,
                isRetained: true
            )
            let unit = gateway.step(.packets(batch), now: now)
            #expect(unit.readings.map(\.value) == values)
            #expect(unit.counts.retainedValues == refused)
            #expect(gateway.ignored.mostFrequent.isEmpty)
        }
    }

    @Test func unitsAreKnownByTheirUsualSpellings() throws {
        let source =
            "topic: b/{vehicle}\npayload: object\nsignals:\n"
            + "  - {from: /t, unit_from: /u, signal: Vehicle.Exterior.AirTemperature}\n"
        for (unit, value) in [("°C", 50.0), ("°F", 10), ("", 50)] {
            #expect(
                try bench.see([source], "b/c", "{\"t\":50,\"u\":\"\(unit)\"}").values == [value]
            )
        }
    }

    // MARK: What is ignored

    @Test func whatNoSourceMapsIsCountedByTopicWithASample() throws {
        var gateway = try bench.gateway([SourceArrayTests.walk])
        var packets: [(String, String, Timestamp)] = []
        for number in 0..<300 { packets.append(("w/\(number)", "{\"n\":\(number)}", now)) }
        for number in 0..<5 { packets.append(("w/often", "{\"last\":\(number)}", now)) }
        packets.append(("w/often", String(repeating: "{\"a\":1}", count: 1), now))
        _ = gateway.step(.packets(Fixtures.batch(packets)), now: now)
        let topics = gateway.ignored.mostFrequent
        #expect(topics.count == Limits.ignoredTopicsMax)
        let often = try #require(topics.first)
        #expect(often.topic == "w/often" && often.source == "source-0" && often.lastAt == now)
        #expect(often.count - often.inherited == 6)
        #expect(String(decoding: often.sample, as: UTF8.self) == "{\"a\":1}")
        #expect(topics.map(\.count).reduce(0, +) == 306)
    }

    // MARK: Vehicles

    @Test(arguments: ["EL 87655", "wörk-1", "车辆12", "a.b", "...x"])
    func whatATopicCanNameCanHaveAnOwner(name: String) throws {
        #expect(VehicleName.isValid(name))
        #expect(
            try bench.see(
                [SourceArrayTests.walk],
                "w/\(name)",
                "{\"t\":\(seconds),\"signals\":[{\"name\":7,\"value\":1}]}"
            ).vehicles == [name]
        )
    }

    @Test(arguments: [
        "", "a/b", "a+", "#", "$a", " a", "a ", "a\u{7}", ".", "..",
        String(repeating: "车", count: 22),
    ])
    func whatIsNoLevelOfATopicIsNoName(name: String) {
        #expect(!VehicleName.isValid(name))
    }

    // MARK: Errors

    @Test(arguments: [
        ("topic: \"{vehicle}/d\"", "2:8: begins with a named level: say with subscribe: [\"+/d\"]"),
        (
            "topic: \"{vehicle}/d\"\nsubscribe: [\"#\"]",
            "3:13: '#' asks for topics that +/d is not"
        ),
        ("topic: t/{vehicle}\nsubscribe: [\"u/+\"]", "'u/+' asks for topics that t/+ is not"),
        ("topic: t/{vehicle}\neach: {name: /n}", "the key 'in' is missing"),
        ("topic: t/{vehicle}\neach: {in: /a, value: /v}", "the key 'name' is missing"),
        ("topic: t/{vehicle}\ntime: {from: /t, zone: Mars/Base}", "3:24: is no time zone"),
        ("topic: t/{vehicle}\ntime: {from: /t, format: \"%d.%m.%Y %H:%M\"}", "tells no offset"),
        ("topic: t/{vehicle}\ntime: {from: /t, format: \"%H:%M:%S\", zone: UTC}", "no whole time"),
        ("topic: t/{vehicle}\ntime: {from: /t, format: \"%F %I:%M\", zone: UTC}", "no whole time"),
        ("topic: t/{vehicle}\ntime: {from: /t, format: \"%d.%m. %R\", zone: UTC}", "no whole time"),
        ("topic: t/{vehicle}\ntime: {from: /t, format: \"%Q\"}", "a format of strftime"),
        ("topic: t/{vehicle}\ntime: {arrival_minus: /a, unit: week}", "an age is in ms, s, min"),
        ("topic: t/{vehicle}\ntime: {arrival_minus: /a, zone: UTC}", "does not go with"),
        ("topic: t/{vehicle}\nsensor: {from: \"{id}\", table: t.csv}", "has no level {id}"),
        ("topic: t/{vehicle}\nno_reading: [350]", "a mapping"),
    ])
    func aSourceThatCannotWorkIsRefusedWithItsLine(text: String, expected: String) throws {
        var found = "none"
        do {
            _ = try bench.gateway([
                "\(text)\npayload: object\nsignals: [\(SourceTrialBench.volts)]\n"
            ])
        } catch {
            found = "\(error)"
        }
        #expect(found.contains(expected), "\(found)")
    }

    @Test func aScalarHasNoPointers() throws {
        var found = "none"
        do {
            _ = try bench.gateway([
                "topic: t/{id}/{r...}\npayload: scalar\nsensor: {from: /id, table: t.csv}\n"
                    + "signals: [{from: x, signal: Vehicle.Speed}]\n"
            ])
        } catch {
            found = "\(error)"
        }
        #expect(
            found.contains("only an object has pointers; name a level, such as {id}"),
            "\(found)"
        )
    }
}
