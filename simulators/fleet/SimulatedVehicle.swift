import Foundation
import SimulatorParts
import Telemetry

/// What is wrong with a vehicle.
enum Ailment: CaseIterable {
    case slowLeak
    case weakBattery
    case oilDue
    case wornPads
    case agedCells
    case serviceDistance
    case serviceDate
}

/// A car with a driver: trips every day, parts that age, a device that sends.
///
/// Physics, no more than a rule can see: tyre pressure by the gas law, a 12 V battery at rest and
/// while cranking, oil, pads, cells and service counters that run down with distance and time.
/// Everything follows from the seed.
struct SimulatedVehicle {
    let name: String
    let profile: String
    private(set) var nextAt: Timestamp
    private var generator: SeededGenerator
    private let isElectric: Bool
    private let isFaulty: Bool
    private let placard: Double
    private var ailment: Ailment?
    private let begun: Timestamp
    /// When the ailing part meets its limit.
    private let crossing: Timestamp
    let station: String
    private var odometer: Double
    private var tyres: [Double]
    private var leak = [0.15, 0.17, 0.16, 0.18]
    private var oil: Double
    private var pads: Double
    private var health: Double
    private var serviceKilometres: Double
    private var serviceDays: Double
    private var agedAt: Timestamp
    private var tripEnd = Timestamp.distantPast
    private var tripStart = Timestamp.distantPast
    private var isDriving = false
    private var parkedHours = 10.0
    private var sequence: UInt64 = 0
    let boot: String
    private(set) var hasPuncture = false

    init(
        index: Int,
        seed: UInt64,
        start: Timestamp,
        present: Timestamp,
        ailing: Double,
        faulty: Double
    ) {
        generator = SeededGenerator(seed: seed &* 1_000_003 &+ UInt64(index))
        name = "sim-\(padded(Int64(index), width: 4))"
        begun = start
        agedAt = start
        boot = "s\(seed)-\(start.milliseconds / 1_000)"
        let electric = generator.happens(0.35)
        isElectric = electric
        isFaulty = generator.happens(faulty)
        placard = [220.0, 230, 240, 250, 260][Int(generator.uniform(0...4.99))]
        let choices = Ailment.allCases.filter {
            electric ? $0 != .oilDue : $0 != .agedCells
        }
        ailment =
            generator.happens(ailing)
            ? choices[Int(generator.uniform(0...Double(choices.count) - 0.01))] : nil
        crossing = present + .days(generator.uniform(-2...18))
        odometer = generator.uniform(3_000...140_000)
        tyres = [placard, placard, placard, placard].map { $0 + 4 }
        oil = generator.uniform(40...100)
        pads = generator.uniform(5...60)
        health = generator.uniform(80...99)
        serviceKilometres = generator.uniform(4_000...15_000)
        serviceDays = generator.uniform(90...360)
        nextAt = start + .days(generator.uniform(0...1))
        station = generator.happens(0.7) ? "su-zhou-1" : "wien-1"
        let model = electric ? ["E-Liner", "Volt 3"] : ["Corvo 1.6", "Trek 2.0"]
        let plate = "\u{82cf}E\u{b7}\(10_000 + index * 37 % 89_999)"
        profile =
            "{\"v\":1,\"model\":\"\(model[index % 2])\",\"powertrain\":\"\(electric ? "bev" : "ice")\","
            + "\"placard_front_kpa\":\(Int(placard)),\"placard_rear_kpa\":\(Int(placard)),"
            + "\"battery_type\":\"\(electric ? "lifepo4" : "agm")\",\"station\":\"\(station)\","
            + "\"plate\":\"\(plate)\"}"
        beginAiling()
    }

    /// Puts the ailing part where it has to be at the start to meet its limit in time.
    private mutating func beginAiling() {
        let days = max(1, (crossing - begun).days)
        switch ailment {
        case .slowLeak:
            leak[Int(generator.uniform(0...3.99))] = (placard * 0.25 + 4) / days
        case .oilDue: oil = 5 + days * 0.5
        case .wornPads: pads = 85 - days * 0.4
        case .agedCells: health = 70 + days * 0.02
        case .serviceDistance: serviceKilometres = days * 38
        case .serviceDate: serviceDays = days
        case .weakBattery, nil: break
        }
    }

    // MARK: Workshop

    /// The ailing part, as a mechanic would see it; nil for a car that is well.
    var condition: String? {
        if hasPuncture { return "tyre" }
        return switch ailment {
        case .slowLeak: "tyre"
        case .weakBattery: "battery"
        case .oilDue: "oil_life"
        case .wornPads: "brake_pads"
        case .agedCells: "traction_health"
        case .serviceDistance, .serviceDate: "service"
        case nil: nil
        }
    }

    /// The workshop has put a part right, and the car is as after that repair.
    mutating func repair(_ part: String, at now: Timestamp) {
        age(to: max(now, agedAt))
        if condition == part { ailment = nil }
        switch part {
        case "tyre":
            hasPuncture = false
            tyres = [placard, placard, placard, placard].map { $0 + 4 }
            leak = [0.15, 0.17, 0.16, 0.18]
        case "oil_life": oil = 100
        case "brake_pads": pads = 2
        case "traction_health": health = 97
        case "service":
            serviceKilometres = 15_000
            serviceDays = 365
        default: break
        }
    }

    // MARK: Time

    /// The packets due at `nextAt`; moves on to the next moment something is sent.
    ///
    /// Each as the members of a JSON object, to which the outbox adds what it knows.
    mutating func step() -> [(sequence: UInt64, members: String)] {
        let now = nextAt
        age(to: now)
        guard isDriving else { return [begin(at: now)] }
        let isEnd = now >= tripEnd
        let packet = drive(at: now, isEnd: isEnd)
        if isEnd {
            // The next trip: a commuter's day, some at night.
            let hours =
                generator.happens(0.6) ? generator.uniform(6...11) : generator.uniform(1...30)
            nextAt = now + .days(hours / 24)
            parkedHours = hours
            isDriving = false
        } else {
            nextAt = min(tripEnd, now + .minutes(10))
        }
        return [packet]
    }

    /// From now on a tyre loses 30 kPa a minute.
    mutating func puncture(at now: Timestamp) {
        age(to: now)
        hasPuncture = true
    }

    /// On the road now, and sending every two seconds: somebody is watching this car.
    mutating func hurry(to now: Timestamp) {
        nextAt = min(nextAt, isDriving ? agedAt + .seconds(2) : now)
    }

    private mutating func begin(at now: Timestamp) -> (UInt64, String) {
        isDriving = true
        tripStart = now
        tripEnd = now + .minutes(Int64(generator.uniform(12...45)))
        nextAt = min(tripEnd, now + .minutes(10))
        var readings = surroundings(at: now) + tyreReadings(at: now, warm: 0)
        let decline = batteryDecline(at: now)
        let ambient = ambient(at: now)
        let rested =
            12.66 - 0.3 * decline + 0.0025 * (ambient - 25) - 0.0002 * min(parkedHours, 200)
        readings.append(
            ("Vehicle.LowVoltageBattery.CurrentVoltage", rested + generator.noise(0.015), 2)
        )
        if !isElectric {
            let dip = 10.7 - 0.7 * decline + 0.014 * (ambient - 20)
            readings.append(
                ("Vehicle.LowVoltageBattery.CrankingVoltageMin", dip + generator.noise(0.06), 2)
            )
        }
        return packet(readings, at: now)
    }

    private mutating func drive(at now: Timestamp, isEnd: Bool) -> (UInt64, String) {
        let minutes = (now - tripStart).minutes
        let warm = 14 * min(1, minutes / 25)
        var readings = surroundings(at: now) + tyreReadings(at: now, warm: warm)
        readings.append(
            ("Vehicle.LowVoltageBattery.CurrentVoltage", 14.1 + generator.noise(0.1), 2)
        )
        readings.append(("Vehicle.Speed", isEnd ? 0 : generator.uniform(20...120), 0))
        if !isElectric {
            readings.append(
                (
                    "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
                    min(90, 20 + minutes * 5) + generator.noise(1), 0
                )
            )
            readings.append(
                (
                    "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent",
                    oil.rounded(.up), 0
                )
            )
        } else {
            readings.append(
                (
                    "Vehicle.Powertrain.TractionBattery.StateOfHealth",
                    health + generator.noise(0.3), 1
                )
            )
        }
        for row in ["Row1", "Row2"] {
            readings.append(
                ("Vehicle.Chassis.Axle.\(row).Wheel.Left.Brake.PadWear", pads.rounded(), 0)
            )
        }
        readings.append(("Vehicle.Service.DistanceToService", serviceKilometres.rounded(), 0))
        readings.append(("Vehicle.Service.TimeToService", serviceDays.rounded() * 86_400, 0))
        return packet(readings, at: now)
    }

    /// Lets parts run down by time, and by the distance of the trips since.
    private mutating func age(to now: Timestamp) {
        let days = (now - agedAt).days
        agedAt = now
        guard days > 0 else { return }
        let kilometres = isDriving ? days * 24 * 45 : 0
        odometer += kilometres
        serviceKilometres -= kilometres
        serviceDays -= days
        for wheel in tyres.indices {
            tyres[wheel] = max(0, tyres[wheel] - days * leak[wheel])
        }
        if hasPuncture { tyres[0] = max(60, tyres[0] - days * 86_400 / 2) }
        if ailment == .serviceDistance { serviceKilometres -= days * 38 - kilometres }
        oil -= ailment == .oilDue ? days * 0.5 : kilometres * 0.004
        pads += ailment == .wornPads ? days * 0.4 : kilometres * 0.001
        health -= ailment == .agedCells ? days * 0.02 : days * 0.004
        // The owner looks after a car that has nothing else: air every month and a half.
        if ailment == nil, !hasPuncture, tyres[0] < placard - 4 {
            tyres = tyres.map { _ in placard + 4 }
        }
    }

    /// 0 for a healthy 12 V battery, 1 when both its limits are met.
    private func batteryDecline(at now: Timestamp) -> Double {
        guard ailment == .weakBattery else { return 0 }
        let left = (crossing - now).days
        return min(1.6, max(0, 1.5 * (1 - left / 30)))
    }

    // MARK: Readings

    private typealias Measured = (path: String, value: Double, decimals: Int)

    /// °C: a season, a day, no weather.
    private func ambient(at now: Timestamp) -> Double {
        let day = now.days
        return 12 - 9 * cos((day - 15) / 365.25 * 2 * .pi) - 5 * cos((day - 0.1) * 2 * .pi)
    }

    private mutating func surroundings(at now: Timestamp) -> [Measured] {
        [
            ("Vehicle.TraveledDistance", (odometer * 1_000).rounded(), 0),
            ("Vehicle.Exterior.AirTemperature", ambient(at: now) + generator.noise(0.3), 1),
        ]
    }

    private mutating func tyreReadings(at now: Timestamp, warm: Double) -> [Measured] {
        let wheels = ["Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right"]
        var readings: [Measured] = []
        for (wheel, place) in wheels.enumerated() {
            let temperature = (ambient(at: now) + warm + generator.noise(0.5)).rounded()
            let gauge = (tyres[wheel] + 101.3) * (temperature + 273.15) / 293.15 - 101.3
            // A receiver that has not heard the sensor since it woke up says 0.
            let heard = !(isFaulty && warm == 0 && generator.happens(0.3))
            readings.append(
                (
                    "Vehicle.Chassis.Axle.\(place).Tire.Pressure",
                    heard ? (gauge + generator.noise(1)).rounded() : 0, 0
                )
            )
            readings.append(
                ("Vehicle.Chassis.Axle.\(place).Tire.AirTemperature", temperature, 0)
            )
        }
        return readings
    }

    private mutating func packet(_ readings: [Measured], at now: Timestamp) -> (UInt64, String) {
        sequence += 1
        var fields = readings.map { "\"\($0.path)\":\(decimal($0.value, $0.decimals))" }
        var time = now
        if isFaulty, generator.happens(0.1) {
            switch Int(generator.uniform(0...2.99)) {
            case 0: fields.append("\"Vehicle.Nonsense\":1")
            case 1: time = now + .days(Int64(400))
            default: fields.append("\"Vehicle.Speed\":\"fast\"")
            }
        }
        let members =
            "\"boot\":\"\(boot)\",\"seq\":\(sequence),\"ts\":\"\(time)\","
            + "\"readings\":{\(fields.joined(separator: ","))}"
        return (sequence, members)
    }

    private func decimal(_ value: Double, _ decimals: Int) -> String {
        String(format: "%.\(decimals)f", value)
    }
}
