import AdvisorWeb
import CoreLoop
import Foundation
import GatewayApp
import Logging
import Store
import Support
import Telemetry
import Testing
import Yams

/// `config/openapi.yaml` and the server name the same things.
struct OpenAPITests {
    private let folder: ScratchFolder
    private let document: [String: Any]

    init() throws {
        folder = try ScratchFolder()
        let path = Repository.root.appendingPathComponent("config/openapi.yaml").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        document = try #require(try Yams.load(yaml: text) as? [String: Any])
    }

    /// `GET /path` of every operation in the file.
    private func operations() throws -> [String: [String: Any]] {
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        var operations: [String: [String: Any]] = [:]
        for (path, item) in paths {
            for method in ["get", "put", "post", "delete", "patch"] {
                guard let operation = item[method] as? [String: Any] else { continue }
                operations["\(method.uppercased()) \(path)"] = operation
            }
        }
        return operations
    }

    @Test func everyRouteIsInTheFileAndNoOther() throws {
        let assembly = try Fixtures.assembly()
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
        let services = WebServices(
            core: CoreLoop(clock: { Fixtures.start }, logger: Logger(label: "test")),
            reads: ReadStore(store),
            desk: Desk(store),
            catalogue: assembly.catalogue,
            rules: { assembly.rules },
            reload: { _ in .reloaded(rules: 0, superseded: 0) },
            stations: assembly.stations,
            jobs: assembly.jobs,
            messages: assembly.messages,
            clock: { Fixtures.start },
            wallClock: { Fixtures.start },
            feed: {
                FeedHealth(
                    isConnected: true,
                    reconnects: 0,
                    lostSessions: 0,
                    sessionLostAt: nil,
                    lastError: nil
                )
            }
        )
        let served = Set(try WebServer.routes(services: services).map { "\($0.method) \($0.path)" })
        let described = Set(try operations().keys)
        #expect(served.subtracting(described).sorted() == [], "not in config/openapi.yaml")
        #expect(described.subtracting(served).sorted() == [], "not served")
    }

    /// A repeat of a POST to the API needs its key, everywhere.
    @Test func everyPostToTheAPITakesAKey() throws {
        for (name, operation) in try operations() where name.hasPrefix("POST /api/") {
            let parameters = operation["parameters"] as? [[String: Any]] ?? []
            let references = parameters.compactMap { $0["$ref"] as? String }
            #expect(references.contains("#/components/parameters/idempotencyKey"), "\(name)")
        }
    }

    @Test func referencesLeadSomewhere() throws {
        var broken: [String] = []
        func walk(_ value: Any) {
            if let list = value as? [Any] { list.forEach(walk) }
            guard let map = value as? [String: Any] else { return }
            if let reference = map["$ref"] as? String {
                var target: Any? = document
                for part in reference.dropFirst(2).split(separator: "/") {
                    target = (target as? [String: Any])?[String(part)]
                }
                if target == nil { broken.append(reference) }
            }
            map.values.forEach(walk)
        }
        walk(document)
        #expect(broken == [])
    }
}
