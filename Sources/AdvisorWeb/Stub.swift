enum AdvisorWebStub {}
