import Foundation
import Support
import Testing

/// The house rules as tests: if a machine can check it, a machine does.
struct TidyTests {
    private func files(
        _ folder: String,
        _ suffix: String = ".swift"
    ) -> [(path: String, text: String)] {
        let base = Repository.root.appendingPathComponent(folder)
        let names = FileManager.default.enumerator(atPath: base.path)?.allObjects as? [String] ?? []
        return names.filter { $0.hasSuffix(suffix) }.sorted().compactMap { name in
            (try? String(contentsOf: base.appendingPathComponent(name), encoding: .utf8))
                .map { ("\(folder)/\(name)", $0) }
        }
    }

    private func imports(_ text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard let place = words.firstIndex(of: "import"), place <= 2,
                    place + 1 < words.count
                else { return nil }
                return String(words[place + 1])
            }
        )
    }

    /// Who may import whom; the pure ring imports nothing of the outside.
    @Test(arguments: [
        ("Telemetry", []),
        ("Decoding", ["Telemetry"]),
        ("Rules", ["Telemetry"]),
        ("Workshop", ["Customers", "Telemetry"]),
        ("GatewayCore", ["Customers", "Telemetry", "Decoding", "Rules", "Workshop"]),
        ("Customers", ["Telemetry"]),
        ("Messages", ["Customers", "Telemetry"]),
        ("Threads", ["Glibc"]),
        ("Access", ["Crypto", "CryptoExtras", "Foundation"]),
        ("Recording", ["CZlib", "Foundation", "GatewayCore", "Glibc", "Telemetry"]),
        (
            "MQTTSource",
            [
                "CMosquitto", "GatewayCore", "Glibc", "Logging", "Synchronization", "Telemetry",
                "Threads",
            ]
        ),
        (
            "Store",
            [
                "Access", "Crypto", "Customers", "Decoding", "Foundation", "GRDB", "GatewayCore",
                "Glibc", "Messages", "Rules", "Synchronization", "Telemetry", "Workshop",
            ]
        ),
        (
            "CoreLoop",
            [
                "GatewayCore", "Logging", "Rules", "Store", "Synchronization", "Telemetry",
                "Threads", "Workshop",
            ]
        ),
        (
            "ConfigFiles",
            [
                "Configuration", "Customers", "Decoding", "Foundation", "Messages", "GatewayCore",
                "Rules",
                "Telemetry",
                "Workshop", "Yams",
            ]
        ),
    ])
    func importsPointInward(target: String, allowed: [String]) {
        for file in files("Sources/\(target)") {
            let strangers = imports(file.text).subtracting(allowed)
            #expect(strangers.isEmpty, "\(file.path) imports \(strangers.sorted())")
        }
    }

    /// No clock, no chance, no concurrency, no output in the pure ring.
    @Test func thePureRingComputesAndNothingElse() {
        let banned = [
            "async", "await", " actor ", "Task", "print(", "SystemRandomNumberGenerator",
            ".random(", "ContinuousClock", " Date(", "UUID(", "ProcessInfo", "nonisolated(unsafe)",
        ]
        for target in [
            "Telemetry", "Decoding", "Rules", "Workshop", "Customers", "Messages", "GatewayCore",
        ] {
            for file in files("Sources/\(target)") {
                for (number, line) in file.text.split(
                    separator: "\n",
                    omittingEmptySubsequences: false
                )
                .enumerated() where !line.drop(while: { $0 == " " }).hasPrefix("//") {
                    for word in banned where line.contains(word) {
                        Issue.record("\(file.path):\(number + 1) holds '\(word)'")
                    }
                }
            }
        }
    }

    /// The few places that answer for themselves; the list may only shrink without a record.
    @Test func uncheckedPlacesAreTheListedOnes() {
        let allowed = [
            "Sources/Threads/DedicatedThread.swift": 1, "Sources/Threads/Mailbox.swift": 1,
        ]
        var found: [String: Int] = [:]
        for file in files("Sources") + files("simulators") {
            let count =
                file.text.components(separatedBy: "@unchecked Sendable").count - 1
                + file.text.components(separatedBy: "nonisolated(unsafe)").count - 1
            if count > 0 { found[file.path] = count }
        }
        #expect(found == allowed)
    }

    @Test func filesAreRoomsNotWarehouses() {
        for file in files("Sources") + files("simulators") + files("Tests") {
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false).count
            #expect(lines <= 501, "\(file.path) has \(lines) lines")
        }
        let banned = ["Utils", "Helpers", "Manager", "Common"]
        for file in files("Sources") {
            #expect(!banned.contains { file.path.contains($0) }, "\(file.path)")
        }
    }

    @Test func nothingIsLeftForLater() {
        for file in files("Sources") + files("simulators") {
            for word in ["TODO", "FIXME", "try!", "fatalError("] {
                #expect(!file.text.contains(word), "\(file.path) holds \(word)")
            }
        }
    }

    @Test func theTopLevelIsTheAgreedOne() throws {
        let tracked = try FileManager.default.contentsOfDirectory(atPath: Repository.root.path)
            .filter { !$0.hasPrefix(".") && $0 != "Package.resolved" && $0 != "data" }
        #expect(
            Set(tracked) == [
                "LICENSE", "Package.swift", "README.md", "Sources", "Tests", "config", "simulators",
            ]
        )
    }

    /// Every number a person tunes has its reason beside it, and every bound is used.
    @Test func everyLimitIsUsed() throws {
        let limits = try String(
            contentsOf: Repository.root.appendingPathComponent("Sources/Telemetry/Limits.swift"),
            encoding: .utf8
        )
        let names = limits.matches(of: /static let (\w+)/).map { String($0.output.1) }
        let sources = files("Sources").filter { !$0.path.hasSuffix("Limits.swift") }.map(\.text)
            .joined()
        let unused = names.filter { !sources.contains("Limits.\($0)") }
        #expect(unused.isEmpty)
    }
}
