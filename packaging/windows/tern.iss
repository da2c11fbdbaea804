; The installer for Windows: for one person, without administrator. Compiled by packaging/build.py, which gives
; Version, Bundle, Icon and Licence.

[Setup]
AppId={{6C1E4B0E-6D4B-4E0B-9C57-7465726E0001}
AppName=Tern
AppVersion={#Version}
AppPublisher=Tern
VersionInfoVersion={#Version}
LicenseFile={#Licence}
SetupIconFile={#Icon}
UninstallDisplayIcon={app}\Tern.exe
PrivilegesRequired=lowest
DefaultDirName={autopf}\Tern
DefaultGroupName=Tern
DisableProgramGroupPage=yes
DisableDirPage=auto
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
Compression=lzma2
SolidCompression=yes
ChangesAssociations=yes
CloseApplications=yes
RestartApplications=no
WizardStyle=modern

[Languages]
Name: "english"; MessagesFile: "compiler:Default.isl"

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; GroupDescription: "{cm:AdditionalIcons}"; Flags: unchecked

[InstallDelete]
; An older version may have brought files that this one has not.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "{#Bundle}\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs

[Icons]
Name: "{autoprograms}\Tern"; Filename: "{app}\Tern.exe"
Name: "{autodesktop}\Tern"; Filename: "{app}\Tern.exe"; Tasks: desktopicon

[Registry]
Root: HKA; Subkey: "Software\Classes\Applications\Tern.exe"; ValueType: string; ValueName: "FriendlyAppName"; ValueData: "Tern"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\Applications\Tern.exe\shell\open\command"; ValueType: string; ValueData: """{app}\Tern.exe"" --open ""%1"""
#define Supported(Extension) 'Root: HKA; Subkey: "Software\Classes\Applications\Tern.exe\SupportedTypes"; ValueType: string; ValueName: "' + Extension + '"; ValueData: ""'
#emit Supported(".txt")
#emit Supported(".md")
#emit Supported(".csv")
#emit Supported(".html")
#emit Supported(".rtf")
#emit Supported(".pdf")
#emit Supported(".docx")
#emit Supported(".pptx")
#emit Supported(".xlsx")
#emit Supported(".odt")
#emit Supported(".epub")

[Run]
Filename: "{app}\Tern.exe"; Description: "{cm:LaunchProgram,Tern}"; Flags: nowait postinstall skipifsilent

[Code]
procedure CurUninstallStepChanged(Step: TUninstallStep);
var
  Data: String;
begin
  Data := ExpandConstant('{localappdata}\Tern');
  if (Step = usPostUninstall) and DirExists(Data) then
    if SuppressibleMsgBox('Delete your conversations, settings and downloaded models as well?' + #13#10#13#10 + Data,
      mbConfirmation, MB_YESNO or MB_DEFBUTTON2, IDNO) = IDYES then
      DelTree(Data, True, True, True);
end;
