/// Topics that were heard → a pattern with a named level for the vehicle.
struct DraftTopic {
    /// Such as `garage/{vehicle}/{value...}`.
    var pattern: String
    /// The filter to subscribe to where the pattern begins with a named level.
    var subscription: String?
    var namesVehicle: Bool
    /// How many levels stand before the rest, for topics that name their value.
    var levelsBeforeRest: Int

    /// Of at least one topic; `isNamingValues` says that the last levels name the value, as a
    /// scalar's do.
    init(_ topics: [String], filter: String, isNamingValues: Bool) {
        let split = topics.map { $0.split(separator: "/", omittingEmptySubsequences: false) }
        let asked = filter.split(separator: "/", omittingEmptySubsequences: false)
        let depth = split.map(\.count).min() ?? 1
        func isConstant(_ level: Int) -> Bool { Set(split.map { $0[level] }).count == 1 }
        // A level that is asked for by its word is that word.
        func isLiteral(_ level: Int) -> Bool {
            let before = asked.prefix(level + 1)
            return before.count == level + 1 && !before.contains("#") && asked[level] != "+"
        }
        // Of a scalar's topic the last level at least names the value.
        let end = isNamingValues ? max(depth - 1, 1) : depth
        let varying = (0..<end).filter { !isLiteral($0) && !isConstant($0) }
        let fixed = (0..<end).filter { level in
            !isLiteral(level) && isConstant(level)
                && DraftTopic.looksLikeVehicle(String(split[0][level]))
        }
        // What stays the same names no vehicle while another level tells cars apart.
        let open = varying.isEmpty ? fixed : varying
        let known = open.filter { level in
            split.allSatisfy { DraftTopic.looksLikeVehicle(String($0[level])) }
        }
        let vehicle = known.first ?? open.first
        namesVehicle = vehicle != nil
        // What varies behind the vehicle is the value's name.
        var last = end
        if isNamingValues, let vehicle {
            last = (vehicle + 1..<end).first { !isConstant($0) } ?? end
            while last > vehicle + 1, last == end, !isConstant(last - 1) { last -= 1 }
        }
        var levels: [String] = []
        for level in 0..<last {
            if level == vehicle {
                levels.append("{vehicle}")
            } else if open.contains(level) {
                levels.append("{level\(level + 1)}")
            } else {
                levels.append(String(split[0][level]))
            }
        }
        levelsBeforeRest = levels.count
        if isNamingValues { levels.append("{value...}") }
        if !isNamingValues, !levels.contains(where: { $0.hasPrefix("{") }), depth == 1 {
            levels = [String(split[0][0])]
        }
        pattern = levels.joined(separator: "/")
        if pattern.hasPrefix("{") {
            subscription = levels.map { level in
                level.hasSuffix("...}") ? "#" : level.hasPrefix("{") ? "+" : level
            }.joined(separator: "/")
        }
    }

    /// A VIN, an IMEI, a MAC address, or a name with a number.
    static func looksLikeVehicle(_ level: String) -> Bool {
        let isVIN =
            level.count == 17 && level.allSatisfy { $0.isNumber || ($0.isUppercase && $0.isASCII) }
        let isNumber = level.allSatisfy(\.isNumber) && !level.isEmpty
        let hasNumber = level.contains(where: \.isNumber) && level.count >= 4
        let isVersion = level.first == "v" && level.dropFirst().allSatisfy(\.isNumber)
        return isVIN || isNumber || (hasNumber && !isVersion)
    }
}
