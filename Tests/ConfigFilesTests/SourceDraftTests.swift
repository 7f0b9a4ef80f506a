import ConfigFiles
import Decoding
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

/// What `gateway sources draft` writes for streams it has never seen.
struct SourceDraftTests {
    private let bench: SourceTrialBench

    init() throws {
        bench = try SourceTrialBench()
    }

    private func draft(_ filter: String, _ heard: [(String, String)]) throws -> SourceDraft {
        let messages = heard.map { SourceDraft.Heard(topic: $0.0, payload: Array($0.1.utf8)) }
        return try #require(
            SourceDraft(messages, filter: filter, catalogue: bench.assembly.catalogue)
        )
    }

    /// The draft as a file, and what it makes of the message it names.
    private func readings(_ draft: SourceDraft) throws -> [String: Double] {
        let text = draft.text.split(separator: "\n").filter { !$0.hasPrefix("name: ") }
        let unit = try bench.step(
            [text.joined(separator: "\n") + "\n"],
            draft.example.topic,
            String(decoding: draft.example.payload, as: UTF8.self)
        )
        #expect(unit.deadLetters.isEmpty)
        return Dictionary(
            unit.readings.map { (bench.assembly.catalogue[$0.signal].path, $0.value) },
            uniquingKeysWith: { $1 }
        )
    }

    private let seconds = Fixtures.start.milliseconds / 1_000

    @Test func aStreamOfObjectsIsMappedAndWhatIsUncertainIsLeftToTheEngineer() throws {
        let draft = try draft(
            "garage/#",
            [
                (
                    "garage/WVWZZZ1JZXW000001/status",
                    "{\"ts\":\(seconds),\"battery\":{\"voltage\":12.4},\"tyre_fl_kpa\":231,"
                        + "\"odometer\":48213,\"mood\":\"fine\"}"
                ),
                ("garage/WVWZZZ1JZXW000002/status", "{\"ts\":\(seconds),\"speed_kmh\":50}"),
            ]
        )
        #expect(draft.text.contains("topic: \"garage/{vehicle}/status\""))
        #expect(draft.text.contains("time: /ts"))
        #expect(draft.mapped == 3 && draft.undecided == 1 && draft.unmapped == 1)
        // An odometer of 48,213 may be in km or miles: nothing is taken until it is said.
        #expect(
            draft.text.contains("# - {from: /odometer, signal: Vehicle.TraveledDistance, unit:")
        )
        #expect(draft.text.contains("#   /mood   fine"))
        #expect(
            try readings(draft) == [
                "Vehicle.LowVoltageBattery.CurrentVoltage": 12.4,
                "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure": 231,
            ]
        )
    }

    @Test func aValueATopicIsAScalar() throws {
        let draft = try draft(
            "home/car/#",
            [
                ("home/car/4711/tpms/frontLeft_psi", "35.5"),
                ("home/car/4711/12v/voltage", "12.61"),
                ("home/car/4711/name", "Blue Thunder"),
            ]
        )
        #expect(draft.text.contains("topic: \"home/car/{vehicle}/{value...}\""))
        #expect(draft.text.contains("payload: scalar"))
        #expect(draft.mapped == 2)
        #expect(draft.text.contains("#   name   Blue Thunder"))
        let values = try readings(draft)
        #expect(values.count == 1)
    }

    @Test func elementsAndBatchesAreFound() throws {
        let named = try draft(
            "oem/+",
            [
                (
                    "oem/v1",
                    "{\"vin\":\"v1\",\"timestamp\":\(seconds),\"signals\":["
                        + "{\"name\":\"lowVoltageBatteryVoltage\",\"value\":12.5,\"unit\":\"V\"},"
                        + "{\"name\":\"odometer\",\"value\":12,\"unit\":\"km\"}]}"
                )
            ]
        )
        #expect(
            named.text.contains("each: {in: /signals, name: /name, value: /value, unit: /unit}")
        )
        #expect(
            try readings(named) == [
                "Vehicle.LowVoltageBattery.CurrentVoltage": 12.5,
                "Vehicle.TraveledDistance": 12_000,
            ]
        )
        let batch = try draft(
            "flow/#",
            [
                (
                    "flow/channel",
                    "[{\"ident\":\"8659\",\"timestamp\":\(seconds).5,\"power_voltage\":13.9}]"
                )
            ]
        )
        #expect(batch.text.contains("each: {in: \"\"}") && batch.text.contains("vehicle: /ident"))
        #expect(try readings(batch) == ["Vehicle.LowVoltageBattery.CurrentVoltage": 13.9])
    }

    @Test func aTimeWithoutZoneIsAskedForAndATopicThatBeginsOpenSubscribes() throws {
        let draft = try draft(
            "+/data",
            [
                (
                    "356307042441013/data",
                    "{\"time\":\"2026-03-01T08:00:00\",\"battery_voltage_mv\":12400}"
                )
            ]
        )
        #expect(draft.text.contains("subscribe: [\"+/data\"]"))
        #expect(draft.text.contains("# time: {from: /time, zone: …}"))
        #expect(try readings(draft) == ["Vehicle.LowVoltageBattery.CurrentVoltage": 12.4])
    }

    /// A wrong line costs more than a missing one.
    @Test(arguments: [
        ("phone_battery_voltage", "12.1"), ("battery_voltage", "4.1"), ("soc_limit", "80"),
        ("tire_pressure_fl_status", "1"), ("tire_fl_age", "240"), ("target_soc", "80"),
        ("battery_voltage_threshold", "12.0"), ("trip_odometer_km", "12"), ("soc", "0.81"),
        ("max_speed_kmh", "120"), ("last_service_km", "30000"), ("health", "90"),
        ("brake_pad_thickness_fl_mm", "8"), ("outside_temp", "278"), ("battery_voltage_v", "x"),
        ("tire_pressure_fl_kpa", "2.4"), ("coolant_flow", "200"),
    ])
    func whatOnlyLooksLikeASignalIsLeftToTheEngineer(name: String, value: String) throws {
        let number = Double(value) == nil ? "\"\(value)\"" : value
        let draft = try draft("g/#", [("g/car41/s", "{\"\(name)\":\(number)}")])
        #expect(!draft.text.contains("\n  - {from"), "\(draft.text)")
    }

    @Test func onlyThatWhichTellsCarsApartIsTheVehicle() throws {
        let payload = "{\"soc\":81}"
        let level = try draft("q/#", [("q/carA/tele1", payload), ("q/carB/tele1", payload)])
        #expect(level.text.contains("topic: \"q/{vehicle}/tele1\""))
        let literal = try draft(
            "rtl_433/#",
            [("rtl_433/raspi7/car1", payload), ("rtl_433/raspi7/car2", payload)]
        )
        #expect(literal.text.contains("topic: \"rtl_433/raspi7/{vehicle}\""))
        let messages = (1...4).map {
            ("d/x", "{\"id\":\"m\($0)\",\"subject\":\"car9\",\"soc\":81}")
        }
        #expect(try draft("d/#", messages).text.contains("vehicle: /subject"))
    }

    @Test func tyresInDifferentUnitsAreAQuestion() throws {
        let payload = "{\"tire_pressure_fl\":110,\"tire_pressure_fr\":240}"
        #expect(try draft("g/#", [("g/car41/s", payload)]).mapped == 0)
    }

    /// What a sender may write into a name does not break the file.
    @Test func anyNameIsAName() throws {
        let payload =
            "{\"battery_voltage\":12.4,\"a b: c #d\":{\"soc\":81},\"x\\ny\":1,\"z\\u0007\":2,\"t #/y\":\"\(seconds)\"}"
        let draft = try draft("g/#", [("g/car41/s", payload)])
        #expect(try readings(draft) == ["Vehicle.LowVoltageBattery.CurrentVoltage": 12.4])
    }

    @Test func nothingHeardIsNoDraft() throws {
        #expect(SourceDraft([], filter: "a/#", catalogue: bench.assembly.catalogue) == nil)
    }
}
