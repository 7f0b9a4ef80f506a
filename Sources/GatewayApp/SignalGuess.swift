import Telemetry

/// What a sender's name for a value most likely means in the catalogue, and in which unit.
///
/// A guess is for a draft that an engineer reads; nothing that is taken in is ever guessed. It is
/// certain only when every word of the name is understood and the unit is told or can be one only.
struct SignalGuess {
    var path: String
    /// The unit, where the name tells it or only one fits all values.
    var unit: String?
    /// Units that fit the values.
    var candidates: [String]
    var isUnitTold: Bool
    /// Whether every word of the name is understood, and the unit fits.
    var isCertain: Bool

    /// Of a JSON pointer, a level of a topic or an element's name, with the unit that the sender
    /// tells beside the value; nil when no signal has the words of the name.
    init?(name: String, values: [Double], toldUnit: String?, _ catalogue: Catalogue) {
        let words = SignalGuess.words(name)
        guard let (path, isWhole) = SignalGuess.path(words, catalogue),
            let signal = catalogue.find(path: path)
        else { return nil }
        self.path = path
        let own = catalogue[signal].unit
        let told = toldUnit ?? words.last.flatMap { SignalGuess.units[$0] }
        candidates = SignalGuess.ranges.filter { unit, range in
            Units.conversion(from: unit, to: own) != nil && values.allSatisfy(range.contains)
        }.map(\.unit)
        isUnitTold = told != nil
        guard !own.isEmpty else {
            unit = ""
            isUnitTold = true
            isCertain = isWhole && values.allSatisfy { $0 == 0 || $0 == 1 }
            return
        }
        guard let told else {
            unit = candidates.count == 1 ? candidates[0] : nil
            isCertain = isWhole && unit != nil
            return
        }
        unit = told
        // A unit of something else, or a value that it makes impossible, is a question.
        let isSame = Units.conversion(from: told, to: own) != nil
        let fits = candidates.contains { Units.conversion(from: $0, to: told)?.factor == 1 }
        isCertain = isWhole && isSame && (fits || !SignalGuess.ranges.contains { $0.unit == told })
    }

    // MARK: Words

    /// `tyrePressureFrontLeft_kPa` → tire, pressure, front, left, kpa.
    static func words(_ name: String) -> [String] {
        var words: [String] = []
        var word = ""
        var last: Character = " "
        func end() {
            if !word.isEmpty { words.append(word.lowercased()) }
            word = ""
        }
        for character in name {
            if !character.isLetter && !character.isNumber {
                end()
            } else {
                if character.isUppercase && last.isLowercase { end() }
                word.append(character)
            }
            last = character
        }
        end()
        return words.flatMap { synonyms[$0] ?? [$0] }
    }

    private static let synonyms: [String: [String]] = [
        "tyre": ["tire"], "tyres": ["tire"], "tires": ["tire"], "tpms": ["tire"],
        "fl": ["front", "left"], "lf": ["front", "left"], "fr": ["front", "right"],
        "rf": ["front", "right"], "rl": ["rear", "left"], "lr": ["rear", "left"],
        "rr": ["rear", "right"], "frontleft": ["front", "left"], "frontright": ["front", "right"],
        "rearleft": ["rear", "left"], "rearright": ["rear", "right"],
        "temp": ["temperature"], "odo": ["odometer"], "mileage": ["odometer"],
        "volt": ["voltage"], "vbat": ["battery", "voltage"], "vbatt": ["battery", "voltage"],
        "outside": ["ambient"], "exterior": ["ambient"], "ext": ["ambient"],
        "pads": ["pad"], "oillife": ["oil", "life"], "12": ["12v"], "lowvoltage": ["12v"],
        "stateofcharge": ["soc"], "stateofhealth": ["soh"],
    ]

    /// A unit that a name ends with.
    private static let units: [String: String] = [
        "kpa": "kPa", "psi": "psi", "bar": "bar", "mbar": "mbar", "celsius": "celsius",
        "degc": "celsius", "fahrenheit": "degF", "degf": "degF", "km": "km", "miles": "mi",
        "mi": "mi", "mv": "mV", "percent": "percent", "pct": "percent", "kmh": "km/h",
        "kph": "km/h", "mph": "mph", "rpm": "rpm",
    ]

    /// Words that say where a value stands and not which it is.
    private static let neutral: Set<String> = [
        "data", "state", "reported", "status", "values", "value", "attributes", "payload",
        "telemetry", "signals", "vehicle", "car", "metrics", "obd", "can", "v", "val", "current",
        "reading", "readings", "position", "engine", "sensor", "sensors",
    ]

    /// What values of a road vehicle usually are, to tell units apart.
    private static let ranges: [(unit: String, range: ClosedRange<Double>)] = [
        ("bar", 1...12), ("psi", 15...125), ("kPa", 126...1_200), ("V", 8...60),
        ("mV", 8_000...60_000), ("celsius", -60...150), ("degF", -76...302), ("K", 213...423),
        ("percent", 0...100), ("ratio", 0...1), ("km", 0...2_000_000), ("mi", 0...1_300_000),
        ("m", 0...2_000_000_000), ("km/h", 0...260), ("mph", 0...160), ("m/s", 0...72),
        ("rpm", 0...10_000), ("A", -500...500), ("days", 0...800), ("h", 0...50_000),
    ]

    // MARK: Signals

    /// A signal by the words of its name: one of each set, and besides them only those it may have.
    private struct Sign {
        var path: String
        var all: [Set<String>]
        var may: Set<String> = []
    }

    private static let places: Set<String> = ["front", "rear", "left", "right", "wheel", "axle"]
    private static let tire = "Vehicle.Chassis.Axle.{row}.Wheel.{side}.Tire"
    private static let engine = "Vehicle.Powertrain.CombustionEngine"
    private static let traction = "Vehicle.Powertrain.TractionBattery"

    private static let signs: [Sign] = [
        Sign(path: "\(tire).AirTemperature", all: [["tire"], ["temperature"]], may: ["air"]),
        Sign(
            path: "\(tire).IsPressureLow",
            all: [["tire"], ["warning"]],
            may: ["pressure", "low"]
        ),
        Sign(path: "\(tire).Pressure", all: [["tire"], ["pressure", "kpa", "psi", "bar"]]),
        Sign(
            path: "Vehicle.Chassis.Axle.{row}.Wheel.{side}.Brake.PadWear",
            all: [["brake"], ["wear"]],
            may: ["pad"]
        ),
        Sign(path: "\(engine).EngineCoolant.Temperature", all: [["coolant"]], may: ["temperature"]),
        Sign(path: "\(engine).EngineOil.LifeRemainingPercent", all: [["oil"], ["life"]]),
        Sign(path: "\(engine).EngineOil.Temperature", all: [["oil"], ["temperature"]]),
        Sign(path: "\(traction).StateOfHealth", all: [["soh"]], may: ["battery", "hv"]),
        Sign(
            path: "\(traction).CurrentVoltage",
            all: [["hv", "traction"], ["voltage"]],
            may: ["battery"]
        ),
        Sign(
            path: "Vehicle.LowVoltageBattery.CurrentVoltage",
            all: [["12v", "auxiliary", "aux", "battery", "external", "power"], ["voltage"]],
            may: ["12v", "battery", "external", "power", "powersource", "low"]
        ),
        Sign(path: "\(traction).StateOfCharge.Displayed", all: [["soc"]], may: ["battery", "hv"]),
        Sign(path: "Vehicle.Service.DistanceToService", all: [["distance"], ["to"], ["service"]]),
        Sign(path: "Vehicle.Service.TimeToService", all: [["time", "days"], ["to"], ["service"]]),
        Sign(
            path: "Vehicle.TraveledDistance",
            all: [["odometer", "travelled", "traveled"]],
            may: ["distance", "total", "travelled", "traveled"]
        ),
        Sign(
            path: "Vehicle.Exterior.AirTemperature",
            all: [["ambient"], ["temperature"]],
            may: ["air"]
        ),
        Sign(path: "\(engine).Speed", all: [["rpm"]]),
        Sign(path: "Vehicle.Powertrain.FuelSystem.RelativeLevel", all: [["fuel"], ["level"]]),
        Sign(path: "Vehicle.Speed", all: [["speed"]]),
        Sign(path: "Vehicle.IsMoving", all: [["moving", "movement"]], may: ["is"]),
        Sign(path: "Private.IsIgnitionOn", all: [["ignition"]], may: ["is", "on"]),
    ]

    /// The signal, and whether every word of the name is understood.
    private static func path(
        _ words: [String],
        _ catalogue: Catalogue
    ) -> (path: String, isWhole: Bool)? {
        // A sender of VSS itself names it in full.
        let plain = words.joined()
        if let own = catalogue.signals.first(where: {
            plain.hasSuffix(SignalGuess.words($0.path).joined())
        }) {
            return (own.path, true)
        }
        for sign in signs {
            guard sign.all.allSatisfy({ !$0.isDisjoint(with: words) }) else { continue }
            var known = sign.all.reduce(sign.may) { $0.union($1) }.union(neutral)
            var path = sign.path
            if path.contains("{") {
                let row = words.contains("front") ? "Row1" : words.contains("rear") ? "Row2" : nil
                let side = words.contains("left") ? "Left" : words.contains("right") ? "Right" : nil
                guard let row, let side else { continue }
                path = path.replacing("{row}", with: row).replacing("{side}", with: side)
                known.formUnion(places)
            }
            // What ends in them is a code and no measurement.
            let isCode = words.last == "state" || words.last == "status"
            let rest = isCode ? words : words.filter { !known.contains($0) }
            let isUnitAtEnd = rest.count == 1 && rest[0] == words.last && units[rest[0]] != nil
            return (path, rest.isEmpty || isUnitAtEnd)
        }
        return nil
    }
}
