import Foundation
import Support
import Testing
import Yams

/// Every operation of `config/openapi.yaml`, asked of a running gateway, answers with a status and a
/// type that the file names.
@Suite(.serialized)
struct OpenAPIAnswersTests {
    @Test func everyPathOfTheFileAnswers() async throws {
        let folder = try ScratchFolder()
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let file = Repository.root.appendingPathComponent("config/openapi.yaml").path
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let document = try #require(try Yams.load(yaml: text) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        var asked = 0
        for (path, item) in paths.sorted(by: { $0.key < $1.key }) where path != "/events" {
            let url = path.replacing("{id}", with: "1").replacing("{customer}", with: "C1")
                .replacing("{vehicle}", with: "v1")
            for method in ["get", "put", "post"] {
                guard let operation = item[method] as? [String: Any] else { continue }
                let answer = try await gateway.request(
                    method.uppercased(),
                    url,
                    headers: ["If-Match": "\"v1\""],
                    body: method == "get" ? nil : "{}"
                )
                let name = "\(method) \(url): \(answer.status)"
                let responses = try #require(operation["responses"] as? [String: Any])
                var response = try #require(
                    responses["\(answer.status)"] as? [String: Any],
                    "\(name) \(answer.body.prefix(200))"
                )
                if let reference = response["$ref"] as? String,
                    let components = document["components"] as? [String: [String: Any]],
                    let named = reference.split(separator: "/").last
                {
                    response = try #require(
                        components["responses"]?[String(named)] as? [String: Any]
                    )
                }
                if let content = response["content"] as? [String: Any] {
                    let type = (answer.headers["content-type"] ?? "").prefix { $0 != ";" }
                    #expect(content.keys.contains(String(type)), "\(name) \(type)")
                }
                asked += 1
            }
        }
        #expect(asked >= 25)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }
}
