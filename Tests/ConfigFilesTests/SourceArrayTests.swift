import ConfigFiles
import Decoding
import Foundation
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

/// Arrays: elements that name themselves, and batches of messages.
struct SourceArrayTests {
    private let bench: SourceTrialBench
    private let now = Fixtures.start
    private let seconds = Fixtures.start.milliseconds / 1_000

    init() throws {
        bench = try SourceTrialBench()
    }

    static let walk = """
        topic: w/{vehicle}
        payload: object
        time: /t
        each: {in: /signals, name: /name, value: /value, time: /at, unit: /unit}
        signals:
          - {from: battery, signal: Vehicle.LowVoltageBattery.CurrentVoltage, unit: mV}
          - {from: "7", signal: Vehicle.Speed, unit: km/h}

        """

    @Test func elementsAreKnownByTheirNamesInAnyOrder() throws {
        let battery = "{\"name\":\"battery\",\"value\":\"12400\"}"
        let speed = "{\"value\":10,\"name\":7,\"unit\":\"m/s\",\"at\":\(seconds - 60)}"
        let other = "{\"name\":\"colour\",\"value\":{\"r\":1}}"
        for (elements, values) in [
            ([battery, speed, other], [12.4, 36]), ([other, speed, battery], [36, 12.4]),
        ] {
            let payload = "{\"t\":\(seconds),\"signals\":[\(elements.joined(separator: ","))]}"
            #expect(
                try bench.see([Self.walk], "w/c", payload)
                    == SourceTrialBench.Seen(vehicles: ["c"], values: values)
            )
        }
        let unit = try bench.step([Self.walk], "w/c", "{\"t\":\(seconds),\"signals\":[\(speed)]}")
        #expect(unit.readings.map(\.observedAt) == [now - .minutes(1)])
    }

    @Test(arguments: [
        ("{\"name\":\"battery\",\"value\":\"12 V\"}", RejectionReason.wrongType),
        ("{\"name\":\"battery\"}", .missingField), ("{\"value\":12}", .missingField),
        ("17", .wrongType), ("[]", .wrongType),
        ("{\"name\":\"battery\",\"value\":12,\"unit\":\"km\"}", .unknownUnit),
        ("{\"name\":\"battery\",\"value\":12,\"at\":\"now\"}", .badTimestamp),
        ("{\"name\":\"battery\",\"value\":12,\"value\":13}", .duplicateField),
    ])
    func anElementThatDoesNotFitCostsOnlyItself(
        element: String,
        reason: RejectionReason
    ) throws {
        let payload =
            "{\"t\":\(seconds),\"signals\":[{\"name\":7,\"value\":1},\(element),"
            + "{\"name\":7,\"value\":2}]}"
        #expect(
            try bench.see([Self.walk], "w/c", payload)
                == SourceTrialBench.Seen(vehicles: ["c"], values: [1, 2], reasons: [reason])
        )
    }

    @Test func anArrayThatIsNoneIsRejectedAndAMissingOneIsNothing() throws {
        #expect(
            try bench.see([Self.walk], "w/c", "{\"signals\":{\"a\":1}}").reasons == [.wrongType]
        )
        #expect(
            try bench.see([Self.walk], "w/c", "{\"online\":true}")
                == SourceTrialBench.Seen(ignored: 1)
        )
        #expect(
            try bench.see([Self.walk], "w/c", "{\"signals\":[]}")
                == SourceTrialBench.Seen(ignored: 1)
        )
        #expect(try bench.see([Self.walk], "w/c", "{\"signals\":[1").reasons == [.notJSON])
        let many = String(repeating: "{\"name\":7,\"value\":1},", count: 1_025).dropLast()
        #expect(
            try bench.see([Self.walk], "w/c", "{\"t\":\(seconds),\"signals\":[\(many)]}").reasons
                == [.tooManyReadings]
        )
        #expect(
            try bench.see(
                [Self.walk],
                "w/c",
                "{\"t\":\(seconds),\"signals\":[\(many.dropLast(21))]}"
            ).values.count == 1_024
        )
    }

    static let batch = """
        topic: f/{channel}
        payload: object
        each: {in: ""}
        vehicle: /ident
        time: /timestamp
        where: {/kind: {not: ping}}
        signals:
          - {from: /v, signal: Vehicle.LowVoltageBattery.CurrentVoltage, unit: V}

        """

    private func element(_ vehicle: String, _ volts: String) -> String {
        "{\"ident\":\"\(vehicle)\",\"timestamp\":\(seconds),\"v\":\(volts)}"
    }

    @Test func aBatchHasManyVehiclesAndOneElementCostsOnlyItself() throws {
        let elements = [
            element("a", "12"), "17", "{\"timestamp\":\(seconds),\"v\":1}", element("b", "\"x\""),
            "{\"kind\":\"ping\",\"v\":1}", element("a", "13"), "{\"ident\":\"c\",\"v\":14}",
        ]
        #expect(
            try bench.see([Self.batch], "f/1", "[\(elements.joined(separator: ","))]")
                == SourceTrialBench.Seen(
                    vehicles: ["a", "b", "c"],
                    values: [12, 13],
                    reasons: [.wrongType, .missingField, .wrongType, .missingField]
                )
        )
        #expect(
            try bench.see([Self.batch], "f/1", element("a", "12"))
                == SourceTrialBench.Seen(vehicles: ["a"], values: [12])
        )
        #expect(try bench.see([Self.batch], "f/1", "[]") == SourceTrialBench.Seen(ignored: 1))
        #expect(try bench.see([Self.batch], "f/1", "[\(element("a", "12"))").reasons == [.notJSON])
        #expect(
            try bench.see([Self.batch], "f/1", "[\(element("a", "12"))]x").reasons == [.notJSON]
        )
    }

    @Test func aBatchMayStandInAnObject() throws {
        let inside = Self.batch.replacing("in: \"\"", with: "in: /messages")
        #expect(
            try bench.see([inside], "f/1", "{\"messages\":[\(element("a", "12"))]}").values == [12]
        )
        #expect(try bench.see([inside], "f/1", "{\"messages\":7}").reasons == [.wrongType])
        #expect(
            try bench.see([inside], "f/1", "{\"other\":7}") == SourceTrialBench.Seen(ignored: 1)
        )
    }

    /// What an envelope says once holds for each of its elements that does not say it itself.
    @Test func anEnvelopeNamesTheVehicleOfItsBatch() throws {
        let inside = Self.batch.replacing("in: \"\"", with: "in: /records")
        let records = "{\"v\":12,\"timestamp\":\(seconds)},{\"v\":13,\"ident\":\"own\"}"
        #expect(
            try bench.see(
                [inside],
                "f/1",
                "{\"ident\":\"box\",\"timestamp\":\(seconds),\"records\":[\(records)]}"
            ) == SourceTrialBench.Seen(vehicles: ["box", "own"], values: [12, 13])
        )
    }

    @Test func namedElementsMayBeTheWholeDocument() throws {
        let whole = Self.walk.replacing("in: /signals", with: "in: \"\"")
            .replacing("time: /t\n", with: "")
        let speed = "{\"name\":7,\"value\":50,\"at\":\(seconds)}"
        #expect(try bench.see([whole], "w/c", "[\(speed),\(speed)]").values == [50, 50])
        #expect(try bench.see([whole], "w/c", speed).values == [50])
        #expect(try bench.see([whole], "w/c", "7").reasons == [.wrongType])
    }
}
