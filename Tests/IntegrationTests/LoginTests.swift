import Foundation
import GRDB
import Support
import Testing

/// Who may ask, over real HTTP: users, sessions, tokens, roles, keys of repeated requests.
@Suite(.serialized)
struct LoginTests {
    private let folder: ScratchFolder
    private static let password = "a long enough password"

    init() throws {
        folder = try ScratchFolder()
    }

    private func command(
        _ arguments: [String],
        store: String,
        input: String = ""
    ) async throws -> (code: Int32, output: String) {
        let gateway = Repository.product("gateway").path
        let words = ([gateway] + arguments + ["--config", Repository.config, "--store", store])
            .map { "'\($0)'" }.joined(separator: " ")
        let process = try RunningProcess(
            "/bin/sh",
            ["-c", "printf '%s\\n' '\(input)' | \(words)"],
            folder: folder
        )
        return (try await process.exit(), process.output)
    }

    private func logIn(
        _ gateway: GatewayProcess,
        _ name: String,
        _ password: String = password
    ) async throws -> GatewayProcess.Answer {
        try await gateway.request(
            "POST",
            "/login",
            headers: ["Content-Type": "application/x-www-form-urlencoded"],
            body: "name=\(name)&password=\(password.replacing(" ", with: "+"))&next=/inbox"
        )
    }

    private func cookie(_ answer: GatewayProcess.Answer) throws -> String {
        let header = try #require(answer.headers["set-cookie"])
        return String(header.prefix { $0 != ";" })
    }

    @Test func fromTheFirstUserOnEverybodyLogsIn() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let open = try await gateway.request("GET", "/inbox?lang=en")
        #expect(open.status == 200 && open.body.contains("No user has been created"))

        // The gateway runs meanwhile.
        let store = gateway.storePath
        #expect(
            try await command(
                ["users", "add", "chen", "--role", "advisor", "--station", "su-zhou-1"],
                store: store,
                input: Self.password
            ).code == 0
        )
        #expect(
            try await command(
                ["users", "add", "eve", "--role", "engineer"],
                store: store,
                input: "short"
            ).output.contains("12 to 128")
        )
        #expect(
            try await command(
                ["users", "add", "eve", "--role", "engineer"],
                store: store,
                input: Self.password
            ).code == 0
        )
        let inbox = try await gateway.request("GET", "/inbox?state=booked")
        #expect(inbox.status == 303)
        #expect(inbox.headers["location"]?.hasPrefix("/login?next=/inbox%3Fstate") == true)
        let api = try await gateway.request("GET", "/api/v1/suggestions")
        #expect(api.status == 401 && api.body.contains("\"code\":\"login_needed\""))
        #expect(api.headers["www-authenticate"] == "Bearer")
        #expect(try await gateway.request("GET", "/readyz").status == 200)
        #expect(try await gateway.request("GET", "/metrics").status == 401)

        let wrong = try await logIn(gateway, "chen", "not the password")
        let unknown = try await logIn(gateway, "nobody", "not the password")
        #expect(wrong.status == 403 && unknown.status == 403)
        func message(_ page: String) -> Substring? {
            page.split(separator: "\n").first { $0.contains("role=\"alert\"") }
        }
        #expect(message(wrong.body) != nil && message(wrong.body) == message(unknown.body))

        let right = try await logIn(gateway, "chen")
        #expect(right.status == 303 && right.headers["location"] == "/inbox")
        let header = try #require(right.headers["set-cookie"])
        #expect(header.contains("HttpOnly") && header.contains("SameSite=Strict"))
        #expect(header.contains("Max-Age=28800"))
        let session = ["Cookie": try cookie(right)]
        let page = try await gateway.request("GET", "/inbox", headers: session)
        #expect(page.status == 200 && page.body.contains("chen"))
        #expect(!page.body.contains("No user has been created"))

        // Who came in, who tried, and who let them in is in the history.
        let came = try await DatabaseQueue(path: store).read {
            try String.fetchAll(
                $0,
                sql: """
                    SELECT event || ' ' || actor FROM transition WHERE machine = 'user' ORDER BY id
                    """
            )
        }
        #expect(
            came == ["add command line", "add command line", "login_failed chen", "login chen"]
        )

        // An advisor has nothing to do with what was rejected; an engineer decides no visits.
        let letters = try await gateway.request("GET", "/api/v1/dead_letters", headers: session)
        #expect(letters.status == 403 && letters.body.contains("\"code\":\"forbidden\""))
        let engineer = ["Cookie": try cookie(try await logIn(gateway, "eve"))]
        #expect(
            try await gateway.request("GET", "/api/v1/dead_letters", headers: engineer).status
                == 200
        )
        #expect(
            try await gateway.request("POST", "/suggestions/1/book", headers: engineer).status
                == 403
        )

        try await formsCarryTheirSession(gateway, session)
        #expect(try await command(["users", "disable", "eve"], store: store).code == 0)
        #expect(
            try await gateway.request("GET", "/api/v1/dead_letters", headers: engineer).status
                == 401
        )
        #expect(try await logIn(gateway, "eve").status == 403)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }

    private func formsCarryTheirSession(
        _ gateway: GatewayProcess,
        _ session: [String: String]
    ) async throws {
        let form = session.merging(["Content-Type": "application/x-www-form-urlencoded"]) { $1 }
        let forged = try await gateway.request("POST", "/logout", headers: form, body: "x=1")
        #expect(forged.status == 403 && forged.body.contains("foreign_form"))
        let page = try await gateway.request("GET", "/inbox", headers: session).body
        let start = try #require(page.range(of: "name=\"csrf\" value=\""))
        let csrf = page[start.upperBound...].prefix { $0 != "\"" }
        let out = try await gateway.request("POST", "/logout", headers: form, body: "csrf=\(csrf)")
        #expect(out.status == 303 && out.headers["location"] == "/login")
        #expect(try await gateway.request("GET", "/inbox", headers: session).status == 303)
    }

    @Test func guessingPasswordsIsSlowedDown() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        for _ in 1...5 { #expect(try await logIn(gateway, "chen", "guess").status == 403) }
        let sixth = try await logIn(gateway, "chen", "guess")
        #expect(sixth.status == 429 && Int(sixth.headers["retry-after"] ?? "") ?? 0 > 60)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }

    @Test func tokensHaveScopesStationsAndAnEnd() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let made = try await command(
            ["tokens", "add", "crm", "--scope", "see", "--station", "su-zhou-1"],
            store: gateway.storePath
        )
        #expect(made.code == 0)
        let secret = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let bearer = ["Authorization": "Bearer \(secret)"]
        #expect(
            try await gateway.request("GET", "/api/v1/suggestions", headers: bearer).status == 200
        )
        #expect(
            try await gateway.request("GET", "/api/v1/dead_letters", headers: bearer).status == 403
        )
        let wrong = ["Authorization": "Bearer \(secret)x"]
        let refused = try await gateway.request("GET", "/api/v1/suggestions", headers: wrong)
        #expect(refused.status == 401 && refused.body.contains("invalid_token"))
        let file = try Data(contentsOf: URL(fileURLWithPath: gateway.storePath))
        #expect(file.range(of: Data(secret.utf8)) == nil)
        #expect(
            try await command(["tokens", "revoke", "crm"], store: gateway.storePath).code == 0
        )
        #expect(
            try await gateway.request("GET", "/api/v1/suggestions", headers: bearer).status == 401
        )
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }

    @Test func beyondLoopbackAUserIsNeededFirst() async throws {
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", Repository.config],
            environment: [
                "GATEWAY_STORE_PATH": folder.path("gateway.sqlite"), "GATEWAY_WEB_HOST": "0.0.0.0",
                "GATEWAY_WEB_PORT": "\(freePort())", "GATEWAY_BROKER_PORT": "\(freePort())",
                "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
            ],
            folder: folder
        )
        #expect(try await process.exit() == 1)
        #expect(process.output.contains("gateway users add NAME --role admin"))
    }

    /// A POST that is sent twice is done once; the key belongs to one request.
    @Test func aRepeatedPostGetsTheFirstAnswer() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let path = "/api/v1/dead_letters/discard"
        let first = try await gateway.request("POST", path, headers: ["Idempotency-Key": "k1"])
        #expect(first.status == 200 && first.headers["idempotency-replayed"] == nil)
        let second = try await gateway.request("POST", path, headers: ["Idempotency-Key": "k1"])
        #expect(second.status == 200 && second.body == first.body)
        #expect(second.headers["idempotency-replayed"] == "true")
        let other = try await gateway.request(
            "POST",
            path,
            headers: ["Idempotency-Key": "k1"],
            body: "{\"reason\":\"not_json\"}"
        )
        #expect(other.status == 422 && other.body.contains("idempotency_key_reused"))
        let bare = try await gateway.request("POST", path, headers: ["Idempotency-Key": ""])
        #expect(bare.status == 400, "\(bare.body)")
        gateway.process.signal(SIGKILL)
        _ = try await gateway.process.exit()

        // Kept in the store: the next process knows it too.
        let next = try GatewayProcess(folder: folder)
        try await next.ready()
        let third = try await next.request("POST", path, headers: ["Idempotency-Key": "k1"])
        #expect(third.headers["idempotency-replayed"] == "true" && third.body == first.body)
        next.process.signal(SIGTERM)
        #expect(try await next.process.exit() == 0)
    }

    /// Errors of the framework leave in our form too, with the headers of every answer.
    @Test func everyErrorIsAProblemWithACode() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let large = "{\"note\":\"\(String(repeating: "x", count: 20_000))\"}"
        let cases: [(String, String, String?, Int, String)] = [
            ("GET", "/nowhere", nil, 404, "not_found"),
            ("GET", "/api/v1/nowhere", nil, 404, "not_found"),
            ("DELETE", "/api/v1/suggestions", nil, 405, "method_not_allowed"),
            ("GET", "/healthz?x=1", nil, 400, "unknown_parameter"),
            ("GET", "/inbox?x=1", nil, 400, "unknown_parameter"),
            ("GET", "/api/v1/suggestions?limit=1&limit=2", nil, 400, "invalid_parameter"),
            ("GET", "/api/v1/suggestions?cursor=1.2.3", nil, 400, "invalid_parameter"),
            ("GET", "/api/v1/alerts?cursor=x", nil, 400, "invalid_parameter"),
            ("POST", "/api/v1/dead_letters/discard", large, 413, "body_too_large"),
        ]
        for (method, path, body, status, code) in cases {
            let answer = try await gateway.request(method, path, body: body)
            #expect(answer.status == status, "\(method) \(path): \(answer.body)")
            #expect(answer.body.contains("\"code\":\"\(code)\""), "\(path): \(answer.body)")
            #expect(answer.headers["content-type"] == "application/problem+json")
            #expect(answer.headers["content-security-policy"] != nil)
            #expect(answer.headers["x-content-type-options"] == "nosniff")
        }
        let allowed = try await gateway.request("DELETE", "/api/v1/suggestions")
        #expect(allowed.headers["allow"] == "GET")
        #expect(try await gateway.request("HEAD", "/api/v1/suggestions").status == 200)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }

    /// Pages of a list follow each other by link, and every row comes once.
    @Test func listsAreReadPageByPage() async throws {
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let broker = gateway.broker
        let lines = (1...5).map { "{not json \($0)" }.joined(separator: "\n") + "\n"
        let publisher = try RunningProcess(
            "/bin/sh",
            [
                "-c",
                "exec mosquitto_pub -V mqttv5 -h 127.0.0.1 -p \(broker) -q 1 -t vehicles/v1/telemetry "
                    + "-l < '\(try folder.write("lines.txt", lines))'",
            ],
            folder: folder
        )
        #expect(try await publisher.exit() == 0)
        _ = try await eventually("five dead letters") {
            await gateway.metric("gateway_readings_received_total") == 5 ? true : nil
        }
        var seen: [String] = []
        var path: String? = "/api/v1/dead_letters?limit=2&reason=not_json"
        var pages = 0
        while let next = path {
            let answer = try await gateway.request("GET", next)
            seen += answer.body.matches(of: /not json (\d)/).map { String($0.output.1) }
            pages += 1
            path = answer.headers["link"].map { link in
                #expect(link.hasSuffix("; rel=\"next\""))
                return String(link.dropFirst().prefix { $0 != ">" })
            }
        }
        #expect(seen == ["5", "4", "3", "2", "1"] && pages == 3)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }
}
