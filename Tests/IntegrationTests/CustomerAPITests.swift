import Foundation
import Support
import Testing

/// Customers over real HTTP: masked for everybody, shown on purpose, erased by two.
@Suite(.serialized)
struct CustomerAPITests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    private static let body = """
        {"name":"张伟","phone":"13812345678","language":"zh-Hans","station":"su-zhou-1",
        "preferred_weekdays":[6,7],"contact_hours":["09:00","20:00"],"consents":["service"],
        "vehicles":[{"vehicle":"v1","vin":"LSVAA4182E2123456","plate":"苏E·12845"}],
        "due_items":[{"kind":"inspection","vehicle":"v1","on":"2026-12-31"}]}
        """

    private func tool(_ arguments: [String], store: String) async throws -> String {
        let process = try RunningProcess(
            Repository.product("gateway").path,
            arguments + ["--config", Repository.config, "--store", store],
            folder: folder
        )
        #expect(try await process.exit() == 0, "\(process.output)")
        return process.output
    }

    private func token(
        _ name: String,
        _ scopes: [String],
        station: String? = nil,
        store: String
    ) async throws -> [String: String] {
        let secret = try await tool(
            ["tokens", "add", name] + scopes.flatMap { ["--scope", $0] }
                + (station.map { ["--station", $0] } ?? []),
            store: store
        )
        return [
            "Authorization": "Bearer \(secret.trimmingCharacters(in: .whitespacesAndNewlines))"
        ]
    }

    @Test func whatIsPersonalIsMaskedUntilSomebodyAnswersForIt() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let path = "/api/v1/customers/C1"
        let crm = try await token("crm", ["see", "edit_customers"], store: gateway.storePath)
        let made = try await gateway.request("PUT", path, headers: crm, body: Self.body)
        #expect(made.status == 201 && made.headers["etag"] == "\"v1\"", "\(made.body)")
        for masked in ["张*", "138****5678", "LSV**********3456", "苏E·**8**"] {
            #expect(made.body.contains(masked), "\(masked)")
        }
        for plain in ["张伟", "13812345678", "LSVAA4182E2123456", "苏E·12845"] {
            #expect(!made.body.contains(plain), "\(plain)")
        }
        #expect(
            try await gateway.request("PUT", path, headers: crm, body: Self.body).status == 200
        )
        let other = Self.body.replacing("13812345678", with: "13800000000")
        let blind = try await gateway.request("PUT", path, headers: crm, body: other)
        #expect(blind.status == 428 && blind.body.contains("version_missing"))
        let stale = try await gateway.request(
            "PUT",
            path,
            headers: crm.merging(["If-Match": "\"v9\""]) { $1 },
            body: other
        )
        #expect(stale.status == 412 && stale.body.contains("\"current\":{"))
        #expect(stale.body.contains("138****5678") && !stale.body.contains("13812345678"))
        let found = try await gateway.request(
            "GET",
            "/api/v1/customers?vehicle=v1",
            headers: crm
        )
        #expect(found.body.contains("\"id\":\"C1\""))

        // A token without the right, one of another station, one that may.
        let refused = try await gateway.request(
            "POST",
            "\(path)/unmask",
            headers: crm,
            body: "{\"reason\":\"call\"}"
        )
        #expect(refused.status == 403)
        let elsewhere = try await token(
            "wien",
            ["see", "unmask"],
            station: "wien-1",
            store: gateway.storePath
        )
        #expect(try await gateway.request("GET", path, headers: elsewhere).status == 404)
        let desk = try await token("desk", ["see", "unmask"], store: gateway.storePath)
        let unexplained = try await gateway.request(
            "POST",
            "\(path)/unmask",
            headers: desk,
            body: "{\"reason\":\"\"}"
        )
        #expect(unexplained.status == 422)
        let shown = try await gateway.request(
            "POST",
            "\(path)/unmask",
            headers: desk,
            body: "{\"reason\":\"call about the left tyre\"}"
        )
        #expect(shown.status == 200 && shown.body.contains("13812345678"))
        #expect(shown.headers["cache-control"] == "no-store")
        try await erase(path, gateway)
    }

    private func erase(_ path: String, _ gateway: GatewayProcess) async throws {
        let one = try await token(
            "one",
            ["see", "privacy", "request_erasure"],
            store: gateway.storePath
        )
        let two = try await token("two", ["see", "privacy"], store: gateway.storePath)
        let export = try await gateway.request("POST", "\(path)/export", headers: one)
        #expect(export.status == 200)
        for word in ["13812345678", "苏E·12845", "call about the left tyre", "\"unmask\""] {
            #expect(export.body.contains(word), "\(word)")
        }
        let asked = try await gateway.request("POST", "\(path)/erase", headers: one)
        #expect(asked.status == 200 && asked.body.contains("\"is_erased\":false"))
        let number = try #require(asked.body.firstMatch(of: /"erasure":(\d+)/)?.output.1)
        let confirm = "{\"erasure\":\(number)}"
        let alone = try await gateway.request(
            "POST",
            "\(path)/erase/confirm",
            headers: one,
            body: confirm
        )
        #expect(alone.status == 409 && alone.body.contains("second_person_needed"))
        let done = try await gateway.request(
            "POST",
            "\(path)/erase/confirm",
            headers: two,
            body: confirm
        )
        #expect(done.status == 200 && done.body.contains("\"is_erased\":true"))
        #expect(try await gateway.request("GET", path, headers: one).status == 404)
        let again = try await gateway.request("PUT", path, body: Self.body)
        #expect(again.status == 409 && again.body.contains("customer_erased"))
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }

    @Test func aFileOfCustomersComesInAndOneGoesOut() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let csv = try folder.write(
            "customers.csv",
            """
            customer,name,phone,consents,vehicle,plate,inspection_on
            C1,张伟,13812345678,service;app,v1,苏E·12845,2026-12-31
            C1,张伟,13812345678,service;app,v2,苏E·54321,
            C2,"Huber, Anna",+43 1 234567,service,v3,W-12345X,

            """
        )
        let store = gateway.storePath
        #expect(try await tool(["customers", "import", csv], store: store).contains("2 new"))
        #expect(try await tool(["customers", "import", csv], store: store).contains("2 as before"))
        let listed = try await gateway.request("GET", "/api/v1/customers?limit=1")
        #expect(listed.headers["link"] != nil && listed.body.contains("苏E·**3**"))
        let out = folder.path("C2")
        _ = try await tool(["customers", "export", "C2", "--out", out], store: store)
        let json = try String(contentsOfFile: "\(out)/customer.json", encoding: .utf8)
        let html = try String(contentsOfFile: "\(out)/customer.html", encoding: .utf8)
        #expect(json.contains("Huber, Anna") && html.contains("Huber, Anna"))
        #expect(!json.contains("张伟"))
        let wrong = try folder.write("wrong.csv", "customer,phone\nC9,call me\n")
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["customers", "import", wrong, "--config", Repository.config, "--store", store],
            folder: folder
        )
        #expect(try await process.exit() == 1)
        #expect(process.output.contains("wrong.csv:2:1: /phone must be digits"))
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }
}
